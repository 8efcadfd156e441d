"""Each library's training leaves parameters and metrics in the record, with the real library and no line for it."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from repositories import repository, write

from cascada.jobs.autolog.watching import is_kept
from cascada.jobs.execute import execute
from cascada.repro.record import RunRecord

DATA = """
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(200, 4)); y = (X[:, 0] + 0.1 * rng.normal(size=200) > 0).astype(int)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return repository(tmp_path / "work", {"train.py": ""})


def run(work: Path, script: str) -> RunRecord:
    write(work, "train.py", script)
    record = execute("train.py", cwd=work, record_folder=work / ".cascada" / "runs" / "a")
    assert record.manifest.status == "finished", record.log.read_text()
    assert "not recorded" not in record.log.read_text()
    return record


def series(record: RunRecord) -> dict[str, list[tuple[int, float]]]:
    found = defaultdict(list)
    for point in record.metrics():
        found[point.name].append((point.step, point.value))
    return dict(found)


def printed(record: RunRecord) -> list[float]:
    return [float(word) for word in record.log.read_text().split()]


def test_scikit_learn(work: Path) -> None:
    script = """
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import pickle
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X, y)
LogisticRegression(C=0.5).fit(X, y); LogisticRegression(C=0.25).fit(X, y)
GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
boosted = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, y)
print(model.score(X, y), accuracy_score(y, model.predict(X)), f1_score(y, model.predict(X)), *boosted.train_score_)
print(roc_auc_score(y, X[:, 0]), mean_absolute_error(y, X[:, 0]))
assert pickle.loads(pickle.dumps(accuracy_score)) is accuracy_score
assert pickle.loads(pickle.dumps(model)).score(X, y) == model.score(X, y)
"""
    record = run(work, DATA + script)
    params, metrics = record.parameters(), series(record)
    assert params["Pipeline.logisticregression__C"] == 0.5
    assert (params["LogisticRegression.C"], params["LogisticRegression_2.C"]) == (0.5, 0.25)
    assert params["GridSearchCV.param_grid"] == {"C": [0.1, 1.0]}
    assert "LogisticRegression_3.C" not in params, "the models of a search are its trials"
    assert [params[f"trial.{n}.C"] for n in (0, 1)] == [0.1, 1.0]
    tried = [metrics[f"trial.{n}.mean_test_score"] for n in (0, 1)]
    assert max(tried) == metrics["GridSearchCV.best_score_"]
    assert metrics["trial.1.std_test_score"][0][1] >= 0
    score, accuracy, f1, *curve, area, error = printed(record)
    assert (metrics["roc_auc_score"], metrics["mean_absolute_error"]) == ([(0, area)], [(0, error)])
    assert metrics["accuracy_score"] == [(0, accuracy)]
    assert metrics["f1_score"] == [(0, f1)]
    assert metrics["GradientBoostingClassifier.train_score_"] == list(enumerate(curve))
    assert score == accuracy
    assert 0.5 < metrics["GridSearchCV.best_score_"][0][1] <= 1


def test_a_users_own_estimator_and_regressors_score(work: Path) -> None:
    script = """
from sklearn.base import BaseEstimator, RegressorMixin
class Mean(RegressorMixin, BaseEstimator):
    def __init__(self, shift=0.0): self.shift = shift
    def fit(self, X, y): self.mean_ = y.mean() + self.shift; return self
    def predict(self, X): return np.full(len(X), self.mean_)
print(Mean(shift=0.25).fit(X, y).score(X, y))
"""
    record = run(work, DATA + script)
    assert record.parameters() == {"Mean.shift": 0.25}
    assert series(record) == {"Mean.score": [(0, printed(record)[0])]}


def test_xgboost(work: Path) -> None:
    script = """
import xgboost as xgb
d = xgb.DMatrix(X, y)
seen = {}
params = {"max_depth": 2, "objective": "binary:logistic"}
xgb.train(params, d, 4, evals=[(d, "fit")], evals_result=seen, verbose_eval=False)
model = xgb.XGBClassifier(n_estimators=3, max_depth=1).fit(X, y, eval_set=[(X, y)], verbose=False)
print(*seen["fit"]["logloss"], *model.evals_result()["validation_0"]["logloss"])
"""
    record = run(work, DATA + script)
    params, metrics, values = record.parameters(), series(record), printed(record)
    assert (params["xgboost.max_depth"], params["xgboost.num_boost_round"]) == (2, 4)
    assert (params["XGBClassifier.max_depth"], params["XGBClassifier.n_estimators"]) == (1, 3)
    assert metrics["xgboost.fit.logloss"] == list(enumerate(values[:4]))
    assert metrics["xgboost_2.validation_0.logloss"] == list(enumerate(values[4:]))


def test_lightgbm(work: Path) -> None:
    script = """
import lightgbm as lgb, warnings
warnings.simplefilter("ignore")
d = lgb.Dataset(X, y)
seen = {}
lgb.train({"num_leaves": 3, "objective": "binary", "verbose": -1}, d, 4, valid_sets=[d], valid_names=["fit"],
          callbacks=[lgb.record_evaluation(seen)])
model = lgb.LGBMClassifier(n_estimators=3, num_leaves=5, verbose=-1).fit(X, y, eval_set=[(X[:50], y[:50])])
print(*seen["fit"]["binary_logloss"], *model.evals_result_["valid_0"]["binary_logloss"])
"""
    record = run(work, DATA + script)
    params, metrics, values = record.parameters(), series(record), printed(record)
    assert (params["lightgbm.num_leaves"], params["lightgbm.num_boost_round"]) == (3, 4)
    assert params["LGBMClassifier.num_leaves"] == 5
    assert metrics["lightgbm.fit.binary_logloss"] == list(enumerate(values[:4]))
    assert metrics["lightgbm_2.valid_0.binary_logloss"] == list(enumerate(values[4:]))


def test_a_plain_torch_loop(work: Path) -> None:
    script = """
import torch
torch.set_num_threads(1)
layer = torch.nn.Linear(4, 1)
adam = torch.optim.Adam(layer.parameters(), lr=0.05)
sgd = torch.optim.SGD([{"params": [layer.weight], "lr": 0.5}, {"params": [layer.bias]}], lr=0.25, momentum=0.9)
for step in range(120):
    loss = layer(torch.ones(8, 4)).square().mean()
    loss.backward()
    optimizer = adam if step < 115 else sgd
    optimizer.step(); optimizer.zero_grad()
    if step in (0, 99, 110): print(loss.item())
"""
    record = run(work, script)
    params, metrics = record.parameters(), series(record)
    assert (params["Adam.lr"], params["Adam.betas"]) == (0.05, [0.9, 0.999])
    assert (params["SGD.lr"], params["SGD.group1.lr"], params["SGD.momentum"]) == (0.5, 0.25, 0.9)
    assert metrics["Adam.steps"] == [(0, 115.0)]
    assert metrics["SGD.steps"] == [(0, 5.0)]
    losses = dict(metrics["loss"])
    assert list(losses) == [*range(100), 100, 110]
    assert [losses[step] for step in (0, 99, 110)] == printed(record)


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning(work: Path, package: str) -> None:
    script = f"""
import logging, torch, warnings
import {package} as L
warnings.simplefilter("ignore"); torch.set_num_threads(1)
class Net(L.LightningModule):
    def __init__(self, width=3, rate=0.1):
        super().__init__(); self.save_hyperparameters(); self.layer = torch.nn.Linear(2, 1)
    def loss(self, batch): return self.layer(batch[0]).square().mean()
    def training_step(self, batch, _):
        loss = self.loss(batch); self.log("train", loss, on_epoch=True, on_step=False); return loss
    def validation_step(self, batch, _): self.log("val", self.loss(batch))
    def test_step(self, batch, _): self.log("test", self.loss(batch))
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)
class Seen(L.Callback):
    def on_train_epoch_end(self, trainer, module): values.append(trainer.callback_metrics["val"].item())
values = []
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 2)), batch_size=4)
quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
trainer = L.Trainer(max_epochs=3, accelerator="cpu", callbacks=Seen(), **quiet)
net = Net(width=5)
trainer.fit(net, data, data)
values.append(trainer.test(net, data, verbose=False)[0]["test"])
open("values.txt", "w").write(" ".join(map(repr, values)))
"""
    record = run(work, script)
    params, metrics = record.parameters(), series(record)
    *validation, tested = map(float, (work / "values.txt").read_text().split())
    assert (params["Net.width"], params["Net.rate"], params["Trainer.max_epochs"], params["SGD.lr"]) == (5, 0.1, 3, 0.1)
    assert metrics["val"] == list(enumerate(validation))
    assert [step for step, _ in metrics["train"]] == [0, 1, 2]
    assert metrics["test"] == [(3, tested)]
    assert metrics["SGD.steps"] == [(0, 6.0)]
    assert "loss" not in metrics


def test_a_broken_hook_stops_no_training(work: Path) -> None:
    script = """
import cascada.jobs.active as active
def refuse(*_, **__): raise OSError("disk full")
active.ActiveRun.log_metrics = refuse
from sklearn.metrics import accuracy_score
print(accuracy_score([1, 0], [1, 1]))
"""
    write(work, "train.py", script)
    record = execute("train.py", cwd=work, record_folder=work / ".cascada" / "runs" / "a")
    assert record.manifest.status == "finished"
    assert "0.5" in record.log.read_text()
    assert "not recorded: _record_number: disk full" in record.log.read_text().replace("OSError: ", "")


def test_a_job_that_python_runs_is_watched_though_libraries_came_first(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    script = """
import xgboost as xgb
from sklearn.linear_model import LogisticRegression
from cascada import job
@job
def train(depth: int = 2):
    d = xgb.DMatrix(X, y)
    xgb.train({"max_depth": depth}, d, 2, evals=[(d, "fit")], verbose_eval=False)
    LogisticRegression(C=0.5).fit(X, y)
train()
"""
    write(work, "train.py", DATA + script)
    answer = subprocess.run([sys.executable, "train.py"], cwd=work, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    (folder,) = (work / ".cascada" / "runs").glob("*/manifest.json")
    record = RunRecord(folder.parent)
    assert record.parameters()["depth"] == 2
    assert record.parameters()["xgboost.max_depth"] == 2
    assert record.parameters()["LogisticRegression.C"] == 0.5
    assert [step for step, _ in series(record)["xgboost.fit.rmse"]] == [0, 1]


def test_long_loops_are_thinned() -> None:
    kept = [step for step in range(1_000_000) if is_kept(step)]
    assert kept[:101] == [*range(101)]
    assert kept[-1] == 990_000
    assert len(kept) == 100 + 4 * 90
