"""The pipeline in use, and the one that takes its place once the parameter ``model`` says so.

    models.start(load('easy_vqa', settings))
    models.stage('other', load('other', settings))   # while a set of parameters is judged
    models.pick('other')                             # the parameter has changed: the new one

A set of parameters that is refused after all leaves the pipeline in use. Refuses to know ROS.
"""

from __future__ import annotations

import threading

from latent_vqa_ros.backends import open_pipeline
from latent_vqa_ros.core.pipeline import Pipeline
from latent_vqa_ros.ros.parameters import Settings


def load(model: str, settings: Settings) -> Pipeline:
    """Return the verified bundle, ready to answer; BundleError says what is wrong with it."""
    return open_pipeline(model, settings.backend, settings.num_threads)


class ModelSwitch:
    """Holds one pipeline, for a moment two; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Pipeline | None = None
        self._staged: tuple[str, Pipeline] | None = None

    def start(self, pipeline: Pipeline | None) -> None:
        """Use a pipeline from now on; None holds none."""
        with self._lock:
            self._current, self._staged = pipeline, None

    def stage(self, model: str, pipeline: Pipeline) -> None:
        """Keep a pipeline for the moment when ``pick`` is asked for ``model``."""
        with self._lock:
            self._staged = model, pipeline

    def pick(self, model: str) -> Pipeline | None:
        """Return the pipeline to use while the parameter says ``model``; None where none is."""
        with self._lock:
            if self._staged and self._staged[0] == model:
                self._current, self._staged = self._staged[1], None
            return self._current

    def forget(self) -> None:
        """Let the pipeline keep no frame and no taught question."""
        with self._lock:
            if self._current:
                self._current.forget()

    def in_use(self, model: str) -> Pipeline:
        """Return what ``pick`` does; RuntimeError where that is none."""
        pipeline = self.pick(model)
        if pipeline is None:
            raise RuntimeError('the node is not configured')
        return pipeline
