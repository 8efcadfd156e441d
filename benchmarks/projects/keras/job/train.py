import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
from cascada import job


@job
def train(width: int = 16, epochs: int = 5):
    table = np.loadtxt("table.csv", delimiter=",", skiprows=1)
    features, labels = table[:, :-1], table[:, -1]
    half = len(table) // 2
    model = keras.Sequential([keras.layers.Dense(width, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(features[:half], labels[:half], epochs=epochs, verbose=0)
    loss, accuracy = model.evaluate(features[half:], labels[half:], verbose=0)
    return {"loss": loss, "accuracy": accuracy}


print(train())
