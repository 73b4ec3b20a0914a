"""Runs on a Ray cluster, placed by the CPUs and the part of a GPU that each declares. Nothing phones home."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any

from sparring.errors import UserError, first_line
from sparring.launch.tasks import Ended, Errand
from sparring.launch.where import Lost, Where

RETRIES = 20  # how often a task is begun again when its worker or its machine went


class Remote:
    """A task somewhere in the cluster."""

    def __init__(self, ray: Any, ref: Any) -> None:
        self.ray, self.ref = ray, ref
        self.future: Future[Ended] = ref.future()

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Ended:
        try:
            return self.future.result()
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            raise Lost from error


class Ray:
    """Hands tasks to Ray, which finds them a place and begins those of a lost machine again elsewhere."""

    pause = 0.2

    def __init__(self, where: Where) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UserError("--on ray needs a package that is not here: pip install 'sparring[cluster]'") from error
        self.ray, self.began, self.refs = ray, not ray.is_initialized(), []
        self.threads, gpus = where.cpus or 1, where.gpus or 0
        if self.began:
            address = where.on if where.rest else None
            try:
                ray.init(address, log_to_driver=False, configure_logging=False, include_dashboard=False)
            except (OSError, ValueError, RuntimeError) as error:
                raise UserError(
                    f"--on {where.on}: no cluster answers there ({first_line(error)}); start one with `ray start "
                    "--head`, set RAY_AUTH_MODE=token if it asks for one, or leave the address out to use this machine"
                ) from error
        there = ray.cluster_resources()
        if there.get("CPU", 0) < self.threads or there.get("GPU", 0) < gpus:
            self.close()
            raise UserError(
                f"--cpus {self.threads} --gpus {gpus:g}: the cluster has {there.get('CPU', 0):g} CPUs and "
                f"{there.get('GPU', 0):g} GPUs, so no run would ever begin; ask for less"
            )
        self.room = 10_000  # all at once: Ray has a queue of its own
        self.call = ray.remote(num_cpus=self.threads, num_gpus=gpus, max_retries=RETRIES)(Errand.__call__)

    def submit(self, errand: Errand) -> Remote:
        self.refs.append(self.call.remote(errand))
        return Remote(self.ray, self.refs[-1])

    def stop(self) -> None:
        for ref in self.refs:
            self.ray.cancel(ref)

    def close(self) -> None:
        if self.began:
            self.ray.shutdown()
