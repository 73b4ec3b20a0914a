"""The same grid on two Ray nodes of which one is killed, and by submitit's local executor, ends as on this machine."""

import pytest
from test_side_by_side import begun, command, reference, weights  # noqa: F401 (a fixture)

from sparring import verbs
from sparring.errors import UserError
from sparring.launch.on_slurm import parsed
from sparring.launch.where import Where

pytestmark = pytest.mark.slow
OWN = {"threads": 1, "device": "cpu"}


CLIENTS = 10_001  # the port at which the cluster below answers from outside


@pytest.fixture
def two_nodes(monkeypatch):
    """A Ray cluster of two nodes with one CPU each; the second can be killed."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # a token of an earlier cluster may lie in the home
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's own 15 waits for whatever else this machine does
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": CLIENTS}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster, second
    cluster.shutdown()


def test_a_node_that_is_killed_costs_nothing(reference, two_nodes, tmp_path):  # noqa: F811
    cluster, second = two_nodes
    process = command(tmp_path / "runs", "--on", "ray")
    begun(tmp_path / "runs")
    cluster.remove_node(second, allow_graceful=False)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert weights(tmp_path / "runs") == reference
    resumed = [file for file in (tmp_path / "runs").rglob("manifest.json") if '"resumed"' in file.read_text()]
    assert len(resumed) == 1


def test_from_outside_a_node_that_is_killed_costs_nothing_either(reference, two_nodes, monkeypatch, tmp_path):  # noqa: F811
    cluster, second = two_nodes
    monkeypatch.delenv("RAY_ADDRESS")
    process = command(tmp_path / "runs", "--on", f"ray://127.0.0.1:{CLIENTS}")
    begun(tmp_path / "runs")
    cluster.remove_node(second, allow_graceful=False)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert weights(tmp_path / "runs") == reference


def test_more_than_the_cluster_has_is_refused(two_nodes, tmp_path):
    with pytest.raises(UserError, match="--cpus 64 --gpus 0: the cluster has 2 CPUs and 0 GPUs, so no run would ever"):
        verbs.train("mlp-16", "digits", out=tmp_path / "runs", seeds=2, on="ray", cpus=64, **OWN)
    assert not (tmp_path / "runs").exists()


def test_submitits_local_executor_takes_slurms_path(reference, tmp_path):  # noqa: F811
    pytest.importorskip("submitit", reason="the extra `cluster` is not installed")
    process = command(tmp_path / "runs", "--on", "slurm:local")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert weights(tmp_path / "runs") == reference
    assert "seed-1: epoch 40/40" in told


def test_without_slurm_it_is_told(tmp_path):
    pytest.importorskip("submitit", reason="the extra `cluster` is not installed")
    with pytest.raises(UserError, match="`slurm:local` tries it without Slurm"):
        verbs.train("mlp-16", "digits", out=tmp_path / "runs", seeds=2, on="slurm:partition=gpu", **OWN)


def test_slurms_options():
    assert parsed(Where("slurm:partition=gpu,timeout_min=60,slurm_account=a")) == {
        "slurm_partition": "gpu",
        "timeout_min": 60,
        "slurm_account": "a",
    }
