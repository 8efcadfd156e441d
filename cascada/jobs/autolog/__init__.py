"""Parameters and metrics of training libraries, recorded without a line in the user's code.

One module a library, loaded when the library is imported. What it adds never stops a training: an error in it is
logged as a warning and the library goes on.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import wrapt

# The imported module that triggers, our module, and the function of it that takes the imported module.
HOOKS = (
    ("sklearn.base", "scikit_learn", "watch_estimators"),
    ("sklearn.metrics._classification", "scikit_learn", "watch_scores"),
    ("sklearn.metrics._ranking", "scikit_learn", "watch_scores"),
    ("sklearn.metrics._regression", "scikit_learn", "watch_scores"),
    ("xgboost.training", "boosting", "watch_xgboost"),
    ("lightgbm.engine", "boosting", "watch_lightgbm"),
    ("torch", "torch_loops", "watch_backward"),
    ("torch.optim.optimizer", "torch_loops", "watch_optimizers"),
    ("keras.src.backend.jax.trainer", "keras_models", "watch_trainer"),
    ("keras.src.backend.tensorflow.trainer", "keras_models", "watch_trainer"),
    ("keras.src.backend.torch.trainer", "keras_models", "watch_trainer"),
    ("keras.src.optimizers.base_optimizer", "tensorflow_loops", "watch_optimizers"),
    ("tensorflow.python.eager.backprop", "tensorflow_loops", "watch_tape"),
    ("fastai.learner", "fastai_learner", "watch_learner"),
    ("lightning.pytorch.trainer.trainer", "lightning_trainer", "watch_trainer"),
    ("pytorch_lightning.trainer.trainer", "lightning_trainer", "watch_trainer"),
)


@functools.cache
def install() -> None:
    """Have every hook of the table called when its module is imported; a second call does nothing."""
    for trigger, module, function in HOOKS:
        wrapt.register_post_import_hook(functools.partial(_call, module, function), trigger)


def _call(module: str, function: str, imported: Any) -> None:
    getattr(importlib.import_module(f"cascada.jobs.autolog.{module}"), function)(imported)
