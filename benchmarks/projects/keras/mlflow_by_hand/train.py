import importlib.metadata
import os
import platform
import random
import subprocess

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import mlflow
import numpy as np
import pandas as pd
import tensorflow


def train(width: int = 16, epochs: int = 5):
    table = np.loadtxt("table.csv", delimiter=",", skiprows=1)
    features, labels = table[:, :-1], table[:, -1]
    half = len(table) // 2
    model = keras.Sequential([keras.layers.Dense(width, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(features[:half], labels[:half], epochs=epochs, verbose=0)
    loss, accuracy = model.evaluate(features[half:], labels[half:], verbose=0)
    return {"loss": loss, "accuracy": accuracy}


mlflow.autolog()
random.seed(2020)
keras.utils.set_random_seed(2020)
tensorflow.config.experimental.enable_op_determinism()
installed = sorted(f'{d.name}=={d.version}' for d in importlib.metadata.distributions())
changes = subprocess.check_output(['git', 'diff', 'HEAD'], text=True)
with mlflow.start_run():
    parameters = {"width": 16, "epochs": 5}
    mlflow.log_params(parameters)
    mlflow.log_param('seed', 2020)
    mlflow.log_input(mlflow.data.from_pandas(pd.read_csv('table.csv'), source='table.csv'))
    mlflow.log_text('\n'.join(installed), 'lock.txt')
    mlflow.log_text(changes, 'changes.diff')
    mlflow.log_dict({'system': platform.platform(), 'processor': platform.processor(), 'cores': os.cpu_count()}, 'hardware.json')
    mlflow.log_dict({k: v for k, v in os.environ.items() if k.startswith(('OMP_', 'PYTHON', 'CUDA_'))}, 'environment.json')
    mlflow.log_metrics(train(**parameters))
