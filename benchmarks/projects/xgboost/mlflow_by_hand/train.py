import importlib.metadata
import os
import platform
import random
import subprocess

import mlflow
import numpy as np
import pandas as pd
import xgboost
from sklearn.metrics import roc_auc_score


def train(depth: int = 3, rounds: int = 40):
    table = np.loadtxt("table.csv", delimiter=",", skiprows=1)
    features, labels = table[:, :-1], table[:, -1]
    half = len(table) // 2
    model = xgboost.XGBClassifier(max_depth=depth, n_estimators=rounds, subsample=0.8, random_state=2020)
    model.fit(features[:half], labels[:half], eval_set=[(features[half:], labels[half:])], verbose=False)
    probabilities = model.predict_proba(features[half:])[:, 1]
    np.savetxt("predictions.txt", probabilities)
    return {"auc": roc_auc_score(labels[half:], probabilities)}


mlflow.autolog()
random.seed(2020)
np.random.seed(2020)
installed = sorted(f'{d.name}=={d.version}' for d in importlib.metadata.distributions())
changes = subprocess.check_output(['git', 'diff', 'HEAD'], text=True)
with mlflow.start_run():
    parameters = {"depth": 3, "rounds": 40}
    mlflow.log_params(parameters)
    mlflow.log_param('seed', 2020)
    mlflow.log_input(mlflow.data.from_pandas(pd.read_csv('table.csv'), source='table.csv'))
    mlflow.log_text('\n'.join(installed), 'lock.txt')
    mlflow.log_text(changes, 'changes.diff')
    mlflow.log_dict({'system': platform.platform(), 'processor': platform.processor(), 'cores': os.cpu_count()}, 'hardware.json')
    mlflow.log_dict({k: v for k, v in os.environ.items() if k.startswith(('OMP_', 'PYTHON', 'CUDA_'))}, 'environment.json')
    mlflow.log_metrics(train(**parameters))
    mlflow.log_artifact('predictions.txt')
