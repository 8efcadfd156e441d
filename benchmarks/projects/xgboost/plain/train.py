import numpy as np
import xgboost
from sklearn.metrics import roc_auc_score


def train(depth: int = 3, rounds: int = 40):
    table = np.loadtxt("table.csv", delimiter=",", skiprows=1)
    features, labels = table[:, :-1], table[:, -1]
    half = len(table) // 2
    model = xgboost.XGBClassifier(max_depth=depth, n_estimators=rounds, subsample=0.8)
    model.fit(features[:half], labels[:half], eval_set=[(features[half:], labels[half:])], verbose=False)
    probabilities = model.predict_proba(features[half:])[:, 1]
    np.savetxt("predictions.txt", probabilities)
    return {"auc": roc_auc_score(labels[half:], probabilities)}


print(train())
