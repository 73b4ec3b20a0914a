"""Published tables as recipes: what they ask for exists, what they claim is what is printed, and how they are run."""

import json
from dataclasses import replace
from math import sqrt

import pytest
from PIL import Image
from runs import configured

from sparring import nets, verbs
from sparring.data import augmentations
from sparring.errors import UserError
from sparring.launch.reproduce import Wish, measure
from sparring.nets.vdvae import SIZES
from sparring.recipes import autoencoder, da_tables, disk_numbers, disk_tables, hard_numbers, hard_tables, published
from sparring.recipes import config as schema
from sparring.recipes.build import Given
from sparring.recipes.folder import begun
from sparring.recipes.gradients import refuse_late
from sparring.recipes.manifest import manifest
from sparring.recipes.paths import anchored
from sparring.recipes.rows import START, TEACHER, VAE, Attack, Claim, Recipe, Row, start
from sparring.recipes.slots import resolved
from sparring.report import markdown

TABLES = [
    (name, scale) for name, recipe in published.RECIPES.items() for scale in recipe.scales if recipe.rows is not None
]


@pytest.mark.parametrize(("name", "scale"), TABLES)
def test_all_that_a_recipe_names_exists(name, scale):
    for row in published.find(name).rows(scale):
        student = row.student
        teachers = [] if row.teacher is None else [row.teacher]
        configs = teachers + [
            schema.merged(student, {key: "x" if value == VAE else value for key, value in changes.items()})
            for changes in row.variants.values()
        ]
        for config in configs:
            resolved(config)  # methods, parts and every option
            refuse_late(config)
            assert set(config.augment.split("+")) <= {*augmentations(), "default"}
            whom = config.student
            assert whom.startswith(("timm:", "torchvision:", START)) or whom in nets.names()
        earlier = list(row.variants)
        for at, changes in enumerate(row.variants.values()):
            if str(changes.get("student", "")).startswith(START):
                assert changes["student"].removeprefix(START) in earlier[:at]
        assert row.vae is None or row.vae.student in SIZES
        claimed = {line for line, numbers in row.claims.items() if numbers}
        elsewhere = {"orbit", TEACHER} | (
            {"student-only", "standard-aug", "random-affine"} if "101" in row.name else set()
        )
        assert claimed - set(row.variants) <= elsewhere
        assert row.note


def test_a_standard_error_becomes_a_standard_deviation():
    claim = hard_numbers.table1("cnn-mlp")["hard-affine"]["translate/3"]
    assert (claim.mean, claim.n) == (68.9, 4)
    assert claim.sd == pytest.approx(2.5 * 2)
    assert hard_numbers.table2("resnet18-vit")["kd"]["accuracy"].sd == pytest.approx(0.1 * sqrt(3))
    single = hard_numbers.table1("resnet18-vit")["orbit"]["accuracy"]
    assert (single.mean, single.sd, single.n) == (98.4, None, None)
    assert "Orbit" in single.source


def test_differences_that_the_papers_prose_states():
    """MNIST: KD +0.2 / +0.3 and +5.1 / +4.3; HARD over KD +28.6 / +39.4; ImageNet +0.9 and +0.6."""
    found = {}
    for pair in hard_numbers.TABLE_1:
        claims = hard_numbers.table1(pair)
        for upper, lower in (("kd", "student-only"), ("hard-affine", "kd")):
            for metric in ("accuracy", "translate/3"):
                found[pair, upper, metric] = claims[upper][metric].mean - claims[lower][metric].mean
    assert found["cnn-mlp", "kd", "accuracy"] == pytest.approx(0.2)
    assert found["resnet18-vit", "kd", "accuracy"] == pytest.approx(0.3)
    assert found["cnn-mlp", "kd", "translate/3"] == pytest.approx(5.1)
    assert found["resnet18-vit", "kd", "translate/3"] == pytest.approx(4.3)
    assert found["cnn-mlp", "hard-affine", "translate/3"] == pytest.approx(28.6)
    assert found["resnet18-vit", "hard-affine", "translate/3"] == pytest.approx(39.4)
    r18, vit = (hard_numbers.imagenet(3, student) for student in ("resnet18", "vit-s14"))
    assert r18["hard-affine"]["accuracy"].mean - r18["student-only"]["accuracy"].mean == pytest.approx(0.9)
    assert vit["hard-vae"]["v2"].mean - vit["kd"]["v2"].mean == pytest.approx(0.6)
    assert hard_numbers.imagenet(4, "resnet18")["student-only"]["mce"].mean == 88.1


def test_disks_gains_are_the_printed_ones():
    gains = {
        ("resnet10-l", "resnet10-xxs"): (4.92, 1.03), ("resnet10-l", "resnet10-s"): (3.22, 1.66),
        ("resnet10-l", "resnet10-m"): (3.07, 2.02), ("resnet10", "resnet10-xxs"): (3.59, 0.59),
        ("resnet18", "resnet10-s"): (2.35, 1.91), ("resnet34", "resnet10-m"): (3.11, 1.71),
    }  # fmt: skip
    for pair, (cifar, tiny) in gains.items():
        kd, disk, tiny_kd, tiny_disk = disk_numbers.LARGE_GAP[pair]
        assert (disk - kd, tiny_disk - tiny_kd) == pytest.approx((cifar, tiny))
    small = [numbers["disk"] - numbers["kd"] for numbers in disk_numbers.SMALL_GAP.values()]
    assert small == pytest.approx([0.67, 1.1, 1.39, 1.19, 0.9, 2.52, 1.48, 2.4])
    with_simkd = [n["simkd-disk"] - n["simkd"] for n in disk_numbers.SMALL_GAP.values() if "simkd-disk" in n]
    assert with_simkd == pytest.approx([0.38, 0.65])


def test_disk_at_full_scale_is_set_beside_kd_of_as_many_updates():
    rows = [*disk_tables.table3("full"), *disk_tables.table4("full")]
    assert len(rows) == 4 * 4 * 2 + 8
    for row in rows:
        epochs = {name: changes.get("epochs", row.student.epochs) for name, changes in row.variants.items()}
        assert (epochs["ce"], epochs["kd"], epochs["kd-matched"], epochs["disk"]) == (200, 200, 600, 600)
        assert (row.student.batch_size, row.student.optim.lr, row.seeds) == (200, 0.1, 3)
    assert {row.student.augment for row in rows if row.student.data == "cifar100"} == {"crop+flip+auto+cutout"}


def test_disk_is_run_as_paper_and_code_have_it_and_as_was_chosen():
    for row in [*disk_tables.table3("full"), *disk_tables.table4("full")]:
        release, paper = row.variants["disk-release"], row.variants["disk"]
        assert (release["method"], release["epochs"], release["student"]) == ("disk-release", 600, paper["student"])
        assert row.claims.get("disk-release") == row.claims.get("disk")
        assert "disk-release the loss and guide of its code" in row.note
        assert ("PCA lighting" in row.note) == row.name.endswith("-tiny")
    for scale in ("cpu", "smoke"):
        for row in [*disk_tables.table3(scale), *disk_tables.table4(scale)]:
            chosen = row.variants["disk-chosen"]
            given = {key.partition(".")[2]: value for key, value in chosen.items() if key.startswith("objective.")}
            told = {
                "guide": "mlp",
                "guide_lr": 0.001,
                "lambda_min": 50.0,
                "lambda_max": 50.0,
                "inner": 1.0,
                "first": 1.0,
            }
            assert (given, chosen["method"]) == (told, "disk-release")
            assert chosen["epochs"] == row.variants["disk"]["epochs"]
            assert "chosen on validation with one seed" in row.note
    for row in [*disk_tables.table4("cpu"), *disk_tables.table4("smoke")]:
        simkd, chosen = (row.variants[name] for name in ("simkd-disk-chosen", "disk-chosen"))
        assert {**chosen, "method": "simkd-disk"}.items() <= simkd.items()
        assert "simkd-disk-chosen is simkd-disk with the guide" in row.note


def test_what_a_note_says_of_the_augmentation_is_so():
    for row in [*disk_tables.table3("cpu"), *disk_tables.table4("cpu")]:
        views = {
            name: schema.merged(row.student, changes).views for name, changes in row.variants.items() if name != "ce"
        }
        ((count,), word) = set(views.values()), {3: "three", 5: "five"}
        assert (row.teacher.views, row.variants["ce"]["views"]) == (None, None)
        assert "Teacher and student alone see augmentations that are drawn anew" in row.note
        assert f"the same {word[count]} views" in row.note
    for row in [*disk_tables.table3("full"), *disk_tables.table4("full")]:
        configs = [schema.merged(row.student, changes) for changes in row.variants.values()]
        assert {config.views for config in configs} == {None}


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """A recipe's jobs by folder, in place of running them."""

    def plan(name, **wish):
        jobs = {}

        def note(job, given, resume):
            jobs[str(job.out.relative_to(tmp_path))] = job.config

        monkeypatch.setattr("sparring.launch.jobs.run_after_earlier", note)
        monkeypatch.setattr("sparring.launch.reproduce.possible", lambda plans, *_: plans)
        monkeypatch.setattr("sparring.launch.reproduce.measure", lambda *_: None)
        monkeypatch.setattr("sparring.report.both", lambda folder: folder)
        verbs.reproduce(name, tmp_path, **wish)
        return jobs

    return plan


def test_nobody_trains_imagenets_pretrained_teacher_again(planned):
    jobs = planned("disk-table7", scale="full", changes={"data": "pictures"})
    assert set(jobs) == {f"resnet50-resnet18/{name}/seed-0" for name in ("ce", "kd", "semckd", "simkd", "disk")}
    taught = {name: job for name, job in jobs.items() if "/ce/" not in name}
    assert {config.teacher for config in taught.values()} == {"torchvision:resnet50@pretrained"}
    assert jobs["resnet50-resnet18/ce/seed-0"].teacher is None  # whom it would not ask
    assert {config.student for config in jobs.values()} == {"torchvision:resnet18@pretrained"}
    jobs = planned("disk-table7", scale="full", changes={"data": "pictures", "teacher": "mine"})
    assert {config.teacher for config in jobs.values()} == {"mine", None}


@pytest.mark.parametrize(
    ("name", "scale", "row", "told"),
    [
        (
            "disk-table3",
            "cpu",
            "resnet10-l-resnet10-s",
            {"ce": 6, "kd": 2, "kd-matched": 6, "disk": 6, "disk-chosen": 6},
        ),
        ("disk-table3", "full", "resnet18-resnet10-s", {"ce": 6, "kd": 6, "kd-matched": 18, "disk": 18}),
        ("disk-table4", "cpu", None, {"ce": 6, "kd": 3, "fitnets": 3, "disk": 3, "disk-chosen": 3}),
        ("da-table1", "cpu", "vgg13-vgg8", {"ce": 6, "kd": 6, "da": 6}),
    ],
)
def test_the_lengths_of_lines_keep_their_proportion(planned, tmp_path, name, scale, row, told):
    jobs = planned(name, scale=scale, row=row, seeds=1, changes={"epochs": 6, "views": 2})
    epochs = {path.split("/")[1]: config.epochs for path, config in jobs.items() if not path.startswith("teachers")}
    assert told.items() <= epochs.items()
    assert {config.views for config in jobs.values()} == {2}
    (taught,) = (config for path, config in jobs.items() if path.startswith("teachers"))
    assert taught.epochs == {"disk-table3": {"cpu": 8, "full": 6}[scale], "disk-table4": 10, "da-table1": 8}[name]
    (plan,) = (json.loads(file.read_text()) for file in tmp_path.glob("*.recipe.json"))
    assert "→ 6" in plan["rows"][0]["note"]
    assert "other lengths in proportion" in plan["rows"][0]["note"]


def test_full_scale_is_orbits_schedule():
    rows = {row.name: row for row in hard_tables.table1("full")}
    assert {name: row.student.batch_size for name, row in rows.items()} == {"cnn-mlp": 64, "resnet18-vit": 256}
    for row in rows.values():
        optim, config = row.student.optim, row.student
        assert (optim.name, optim.lr, optim.weight_decay, optim.schedule) == ("adam", 3e-4, 2e-9, "plateau")
        assert (optim.patience, optim.decay, optim.decays, optim.warmup) == (20, 0.8, 5, 20)
        assert (config.epochs, config.val, config.normalise, config.augment, row.seeds) == (400, 0.1, "none", "none", 4)
    assert [row.seeds for row in hard_tables.table2("full")] == [3, 3, 3]
    spreads = [rows["cnn-mlp"].variants[f"gaussian-affine-{s}"]["perturb.spread"] for s in (0.07, 0.15, 0.3)]
    assert spreads == [0.07, 0.15, 0.3]


CLAIMS = {
    TEACHER: {"accuracy": Claim("A paper", 99.0, None, None, "best of all")},
    "orbit": {"accuracy": Claim("A paper", 98.8, None, None, "best of all")},
    "alone": {
        "accuracy": Claim.of_sem("A paper", 50.0, 0.5, 4, "best of all"),
        "translate/3": Claim.of_sem("A paper", 10.0, 0.1, 4, "best of all"),
    },
}


def small(scale="cpu"):
    """A table of one row, of seconds."""
    base = configured(size=28, epochs=1)
    ways = {
        "alone": {"method": "ce"},
        "shifted": {"method": "ce", "augment": "shift3"},
        "taught": {"method": "kd-soft"},
    }
    teacher = base.model_copy(update={"student": "mlp-32"})
    shifts = ("translate/3",)
    return [
        Row("a-pair", teacher, base, ways, CLAIMS, 1, corruptions=shifts, note="All is smaller.", like=scale != "smoke")
    ]


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setitem(published.RECIPES, "small", Recipe("a table of seconds", small))


def lines(text, title):
    """The table under a heading, whatever ran, as {line: {column: cell}}."""
    rows = text.partition(f"## {title} (ran: ")[2].partition("\n")[2].strip().partition("\n\n")[0].splitlines()
    head, _, *body = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]
    return {row[0]: dict(zip(head, row, strict=False)) for row in body}


def test_a_table_is_run_measured_and_set_beside_what_is_published(table, tmp_path, monkeypatch):
    page = verbs.reproduce("small", tmp_path)
    runs = sorted(str(file.parent.relative_to(tmp_path)) for file in tmp_path.rglob("result.json"))
    assert runs == [*(f"a-pair/{way}/seed-0" for way in ("alone", "shifted", "taught")), "teachers/mlp-32-28px"]
    assert schema.read(tmp_path / "a-pair/shifted/seed-0/config.yaml").augment == "shift3"
    told = json.loads((tmp_path / "a-pair/alone/seed-0/result.json").read_text())
    shifted = json.loads((tmp_path / "a-pair/alone/seed-0/corruptions.json").read_text())["accuracy"]["translate"]["3"]
    text = markdown([tmp_path])
    shown = lines(text, "small, cpu scale: a-pair")
    assert list(shown) == [TEACHER, "orbit", "alone", "shifted", "taught"]
    accuracy, moved = "test accuracy", "shifted (MNIST-C translate, severity 3)"
    row = shown["alone"]
    ours = 100 * told["test"]["accuracy"]
    assert row[f"{accuracy}: ours, %"] == f"{ours:.2f} (1)"
    assert row[f"{accuracy}: published, %"] == "50.00 ± 1.00 (4)"
    assert row[f"{accuracy}: difference, points [95 %]"] == f"{ours - 50:+.2f}".replace("-", "−")
    assert row[f"{accuracy}: status"] == "cannot tell"  # one run
    assert shown["orbit"][f"{accuracy}: status"] == "not run here"
    assert row[f"{moved}: ours, %"] == f"{100 * shifted:.2f} (1)"
    assert shown["orbit"][f"{accuracy}: published, %"] == "98.80"
    assert shown["orbit"][f"{accuracy}: ours, %"] == ""
    assert shown[TEACHER][f"{accuracy}: ours, %"].endswith("(1)")
    assert shown["taught"][f"{moved}: ours, %"].endswith("(1)")
    assert "All is smaller. Published: A paper (best of all)." in text
    assert "small, cpu scale: a-pair" in page.read_text()
    monkeypatch.setattr("sparring.launch.reproduce.stress", lambda *_: pytest.fail("measured twice"))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("result.json")}
    verbs.reproduce("small", tmp_path)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("result.json")}


def test_students_of_a_row_are_climbed_against_where_it_says_so(table, tmp_path):
    climbed = replace(small()[0], climbed=True, corruptions=(), metrics=("accuracy", "climb/10"))
    published.RECIPES["small"] = Recipe("a figure", lambda _: [climbed])
    verbs.reproduce("small", tmp_path, variants=["taught"])
    assert [file.parent.parent.name for file in tmp_path.rglob("disagreement.json")] == ["taught"]
    (reached,) = [text for text in markdown([tmp_path]).splitlines() if text.startswith("| taught |")][:1]
    assert len([cell for cell in reached.strip("| ").split(" | ") if cell.endswith("(1)")]) == 2


def test_further_seeds_learn_from_the_same_teacher(table, tmp_path):
    verbs.reproduce("small", tmp_path, variants=["taught"])
    (trained,) = tmp_path.glob("teachers/*/result.json")
    before = trained.stat().st_mtime_ns
    verbs.reproduce("small", tmp_path, variants=["taught"], changes={"seed": 5}, seeds=2)
    assert [*tmp_path.glob("teachers/*/result.json")] == [trained]
    assert trained.stat().st_mtime_ns == before
    assert lines(markdown([tmp_path]), "small, cpu scale: a-pair")["taught"]["test accuracy: ours, %"].endswith("(3)")
    assert "seed: " not in markdown([tmp_path])


def test_a_student_that_cannot_be_attacked_stops_no_other(table, tmp_path, monkeypatch, capsys):
    def refused(run, *_, **__):
        asked.append(run.parent.name)
        raise UserError("no gradients")

    asked = []
    monkeypatch.setattr("sparring.launch.reproduce.attacked", refused)
    for run in (tmp_path / "a" / "0", tmp_path / "b" / "0"):
        measure(run, replace(small()[0], corruptions=(), attack=Attack(0.1, 9)), {})
    assert asked == ["a", "b"]
    assert capsys.readouterr().err.count("AutoAttack is not measured: no gradients") == 2


def test_where_a_table_has_no_place(table, tmp_path):
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match=r"is a run, and a table's runs lie in a folder of their own"):
        verbs.reproduce("small", tmp_path)
    with pytest.raises(UserError, match=r"--seeds 0: give 1 or more"):
        verbs.reproduce("small", tmp_path / "new", seeds=0)


def test_no_difference_is_taken_where_nothing_is_alike(table, tmp_path):
    verbs.reproduce("small", tmp_path, scale="smoke", variants=["alone"], seeds=2)
    row = lines(markdown([tmp_path]), "small, smoke scale: a-pair")["alone"]
    assert row["test accuracy: ours, %"].endswith("(2)")
    assert row["test accuracy: published, %"] == "50.00 ± 1.00 (4)"
    assert not [head for head in row if "difference" in head]
    assert row["test accuracy: status"] == "smoke"
    assert "claim" not in json.loads((tmp_path / "a-pair/alone/seed-0/result.json").read_text())
    assert not (tmp_path / "a-pair/taught").exists()


def test_methods_and_a_teacher_of_ones_own(table, tmp_path, teacher):
    given = {"teacher": str(teacher), "size": 8}
    monkeyed = small()[0]
    published.RECIPES["small"] = Recipe("a table", lambda _: [replace(monkeyed, corruptions=())])
    verbs.reproduce("small", tmp_path, methods=["kd"], changes=given)
    assert not (tmp_path / "teachers").exists()
    assert [path.name for path in (tmp_path / "a-pair").iterdir()] == ["kd"]
    assert schema.read(tmp_path / "a-pair/kd/seed-0/config.yaml").teacher == str(teacher.resolve())
    assert lines(markdown([tmp_path]), "small, cpu scale: a-pair")["kd"]["test accuracy: ours, %"].endswith("(1)")


def test_an_autoencoder_is_trained_where_a_variant_draws_by_it(table, tmp_path, monkeypatch):
    asked = []

    def trained(config, folder, **_):
        asked.append((config.student, config.data, config.size, folder))
        making = autoencoder.prepare(anchored(config), Given())
        with begun(folder, making, manifest(making), resume=True):
            raise UserError("stop here")

    monkeypatch.setattr("sparring.launch.reproduce.autoencoder.train_augmentor", trained)
    row = small()[0]
    drawn = {"method": "hard-vae", "perturb.vae": VAE}
    vae = hard_tables.autoencoder("vdvae-mnist", row.student, 1)
    asks = replace(row, variants={"alone": {"method": "ce"}, "hard-vae": drawn}, vae=vae, corruptions=())
    published.RECIPES["small"] = Recipe("a table", lambda _: [asks])
    verbs.reproduce("small", tmp_path, variants=["alone"])
    assert not asked
    for _ in range(2):  # one that was stopped goes on
        with pytest.raises(UserError, match="stop here"):
            verbs.reproduce("small", tmp_path)
    assert asked == 2 * [("vdvae-mnist", "digits", 28, tmp_path / "augmentors" / "digits-vdvae-mnist")]
    published.RECIPES["small"] = Recipe("a table", lambda _: [replace(asks, vae=None)])
    with pytest.raises(UserError, match="hard-vae needs --vae"):
        verbs.reproduce("small", tmp_path, variants=["hard-vae"])
    verbs.reproduce("small", tmp_path)  # without being asked for by name it is left out
    with pytest.raises(UserError, match="nowhere"):
        verbs.reproduce("small", tmp_path, variants=["hard-vae"], vae="nowhere")


@pytest.mark.parametrize(
    ("name", "told", "wish"),
    [
        ("hard-table1", "no row 'cnn-mpl'. Did you mean 'cnn-mlp'", {"row": "cnn-mpl"}),
        ("hard-table1", "no variant 'hard-afine'. Did you mean 'hard-affine'", {"variants": ["hard-afine"]}),
        ("hard-table1", "imagenet-a", {"elsewhere": "nowhere"}),
        ("hard-table3", "no scale 'cpu'; give --scale smoke or full", {}),
        ("hard-table3", "needs --data: a folder of ImageNet's layout", {"scale": "full"}),
        ("hard-table4", "needs --teacher: the ResNet50", {"scale": "full", "changes": {"data": "x"}}),
        ("da-table1", "no variant 'hard-affine'", {"variants": ["hard-affine"]}),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(tmp_path, name, told, wish):
    with pytest.raises(UserError) as caught:
        verbs.reproduce(name, tmp_path, **wish)
    assert told in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("told", "wish"),
    [
        ("unknown method 'att'. Did you mean 'at'", {"methods": ["att"]}),
        ("small, a-pair/at: perturb: there is no one radius for grey images", {"methods": ["kd", "at"]}),
        ("small, a-pair/fitnets: mlp-16 has no tap 'stage1'", {"methods": ["fitnets"]}),
        ("small, a-pair/taught: there is nothing at 'gone/by'", {"changes": {"teacher": "gone/by"}}),
        ("small, a-pair/taught: the teacher mlp-64 has no weights", {"changes": {"teacher": "mlp-64"}}),
        ("small, a-pair's teacher: There is no augmentation 'flop'", {"changes": {"augment": "flop"}}),
        ("small, a-pair's teacher: There is no augmentation 'flop'", {"changes": {"augment": "flop"}, "seeds": 2}),
        ("unknown key 'epoch'. Did you mean 'epochs'", {"changes": {"epoch": 3}}),
        ("optim.lr=-1 will not do", {"changes": {"optim.lr": -1}}),
    ],
)
def test_what_cannot_run_is_told_before_the_teacher_is_trained(table, tmp_path, monkeypatch, told, wish):
    monkeypatch.setattr("sparring.launch.jobs.run", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(UserError) as caught:
        verbs.reproduce("small", tmp_path, **wish)
    assert str(caught.value).startswith(told)
    assert not list(tmp_path.iterdir())


def test_a_student_of_the_recipes_own_that_cannot_run_stops_no_table(table, tmp_path, monkeypatch, capsys):
    row = small()[0]
    ways = {"attacked": {"method": "at"}, "on": {"method": "ce", "student": start("attacked")}, **row.variants}
    published.RECIPES["small"] = Recipe("a table", lambda _: [replace(row, variants=ways, corruptions=())])
    begun = []
    monkeypatch.setattr(
        "sparring.launch.jobs.run_after_earlier", lambda job, *_, **__: begun.append(job.out.parent.name)
    )
    monkeypatch.setattr("sparring.report.both", lambda folder: folder)
    verbs.reproduce("small", tmp_path, changes={"threads": 1})
    assert begun == ["teachers", *row.variants]
    told = capsys.readouterr().err
    assert "a-pair/attacked is left out: perturb: there is no one radius" in told
    assert "a-pair/on is left out: there is nothing at" in told
    with pytest.raises(UserError, match="a-pair/attacked: perturb: there is no one radius"):
        verbs.reproduce("small", tmp_path, variants=["attacked"])
    with pytest.raises(UserError, match="a-pair/attacked: perturb: there is no one radius"):
        verbs.reproduce("small", tmp_path, changes={"epochs": 2})


def test_one_cache_for_two_teachers_is_told_before_either_is_trained(table, tmp_path):
    row = small()[0]
    assert row.teacher is not None
    other = replace(row, name="other", teacher=row.teacher.model_copy(update={"student": "mlp-64"}))
    published.RECIPES["small"] = Recipe("a table", lambda _: [row, other])
    with pytest.raises(UserError, match=r"other/taught: --cache .* can keep the answers of one teacher"):
        verbs.reproduce("small", tmp_path / "out", changes={"cache": str(tmp_path / "cache")}, variants=["taught"])
    assert not list(tmp_path.iterdir())


def test_a_figure_draws_itself(tmp_path, monkeypatch):
    def draw(out, scale, seeds):
        (out / "page.html").write_text(f"{scale} {seeds}")
        return out / "page.html"

    monkeypatch.setitem(published.RECIPES, "figure", Recipe("a figure", draw=draw))
    assert verbs.reproduce("figure", tmp_path, scale="smoke", seeds=3).read_text() == "smoke 3"
    with pytest.raises(UserError, match="a figure and no table"):
        verbs.reproduce("figure", tmp_path, row="x")


def test_variants_of_imagenet_are_asked_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("sparring.launch.reproduce.elsewhere", lambda run, folder, kind: asked.append(kind))
    (tmp_path / "imagenet.json").write_text(json.dumps({"a": {"accuracy": 0.5}}))
    row = replace(da_tables.table1("smoke")[0], corruptions=())
    measure(tmp_path, row, {"a": tmp_path, "sketch": tmp_path})
    assert asked == ["sketch"]
    assert Wish().variants == ()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of ImageNet's layout, and one of its variants beside each other."""
    place = tmp_path_factory.mktemp("imagenet")
    for label, wnid in enumerate(("n01", "n02", "n03")):
        for number in range(12):
            parts = ["data/train", *(["data/val", "on/imagenet-a"] if number < 4 else [])]
            for part in parts:
                file = place / part / wnid / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (28, 28), (80 * label + number,) * 3).save(file)
    return place


def test_table_4_reads_the_runs_of_table_3(pictures, tmp_path):
    asked = {"row": "resnet18", "variants": ["student-only"], "scale": "smoke"}
    changes = {"data": str(pictures / "data"), "workers": 0, "threads": 1}
    verbs.reproduce("hard-table3", tmp_path, changes=changes, **asked)
    before = (tmp_path / "resnet18/student-only/seed-0/result.json").stat().st_mtime_ns
    verbs.reproduce("hard-table4", tmp_path, changes=changes, elsewhere=pictures / "on", **asked)
    assert (tmp_path / "resnet18/student-only/seed-0/result.json").stat().st_mtime_ns == before
    text = markdown([tmp_path])
    row = lines(text, "hard-table4, smoke scale: resnet18")["student-only"]
    assert row["ImageNet-A: ours, %"].endswith("(1)")
    assert row["ImageNet-A: published, %"] == "1.60"
    assert row["ImageNet-C, mCE (less is better): published, %"] == "88.10"
    assert lines(text, "hard-table3, smoke scale: resnet18")["student-only"]["ReaL: published, %"] == "78.10"


def test_a_variant_begins_with_the_student_that_another_left(tmp_path, monkeypatch):
    base = configured(size=28, epochs=1)
    ways = {
        "alone": {"method": "ce"},
        "other": {"method": "ce"},
        "on": {"method": "kd-soft", "student": start("alone")},
    }
    rows = [Row("a-pair", base.model_copy(update={"student": "mlp-32"}), base, ways, {}, 2, note="Small.")]
    monkeypatch.setitem(published.RECIPES, "warm", Recipe("begun", lambda scale: rows))
    verbs.reproduce("warm", tmp_path, scale="cpu", variants=("on",))
    for seed in (0, 1):
        run = tmp_path / "a-pair" / "on" / f"seed-{seed}"
        told = json.loads((run / "result.json").read_text())
        begun = tmp_path / "a-pair" / "alone" / f"seed-{seed}"
        assert (told["student"], told["start"]) == (base.student, str(begun))
        assert schema.read(run / "config.yaml").student == str(begun)
    assert not (tmp_path / "a-pair" / "other").exists()


def test_runs_of_another_scale_are_never_taken_for_this_ones(table, tmp_path):
    """Where a folder holds the table at another scale, the recipe is not left out but refused."""

    def rows(scale):
        (row,) = small()
        longer = row.student.model_copy(update={"epochs": {"smoke": 1, "cpu": 2}[scale]})
        return [replace(row, student=longer, corruptions=())]

    published.RECIPES["small"] = Recipe("a table", rows)
    verbs.reproduce("small", tmp_path / "out", scale="smoke")
    plan = (tmp_path / "out" / "small.recipe.json").read_text()
    with pytest.raises(UserError, match=r"holds a run with other arguments .*epochs: 1 → 2"):
        verbs.reproduce("small", tmp_path / "out", scale="cpu")
    assert (tmp_path / "out" / "small.recipe.json").read_text() == plan


def test_a_key_behind_variants_is_told(table, tmp_path):
    with pytest.raises(UserError, match=r"perturb.eps=9 is a key and no variant: give keys before --variants"):
        verbs.reproduce("small", tmp_path / "out", variants=["alone", "perturb.eps=9"])
