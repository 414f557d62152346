"""Writes metrics.safetensors for tests/recipes/metrics_test.cc: python tests/golden/make_metrics.py (scikit-learn, safetensors).

Scores and targets are by formula.py; the file holds results alone, float64. A class without a value has NaN:
average precision without a positive, the area without both kinds. Means (map, auc) are over the others.
"""

from pathlib import Path

import numpy as np
import safetensors.numpy
from scipy.special import ndtri
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score, top_k_accuracy_score

import formula

# name: clips, classes, distinct scores (0: as they come), share of positives (0: one class a clip), and the
# classes from which one is drawn, or which of several are never and always positive
CASES = {
    "labels": (300, 12, 0, 0.2, (0, 0)),
    "labels_tied": (300, 12, 6, 0.2, (0, 0)),
    "labels_rare": (3000, 4, 200, 0.002, (0, 0)),
    "labels_absent": (100, 9, 10, 0.3, (3, 2)),
    "labels_equal_scores": (60, 7, 1, 0.4, (0, 0)),
    "labels_one_class": (80, 1, 20, 0.5, (0, 0)),
    "labels_one_clip": (1, 8, 0, 0.5, (0, 0)),
    "single": (400, 10, 0, 0, (0, 10)),
    "single_tied": (400, 10, 4, 0, (0, 10)),
    "single_absent": (200, 12, 30, 0, (4, 9)),
    "single_only_one": (50, 8, 5, 0, (6, 7)),
    "single_equal_scores": (90, 9, 1, 0, (0, 9)),
    "single_few_classes": (150, 3, 8, 0, (0, 3)),
    "single_one_class": (20, 1, 0, 0, (0, 1)),
}


def inputs(case, clips, classes, levels, share, bounds):
    """Scores [clips, classes] in [0, 1), a little higher where the target is 1, and targets of 0 and 1."""
    unit = lambda name, shape: (formula.tensor(f"{case}.{name}", shape).astype(np.float64) + 1) / 2
    low, high = bounds
    if share:
        targets = unit("targets", (clips, classes)) < share
        targets[:, :low] = False
        targets[:, classes - high:] = True
    else:
        truth = low + np.floor(unit("targets", (clips,)) * (high - low)).astype(int)
        targets = truth[:, None] == np.arange(classes)
    scores = (3 * unit("scores", (clips, classes)) + targets) / 4
    return np.floor(scores * levels) if levels else scores, targets.astype(int)


def results(scores, targets):
    clips, classes = scores.shape
    counts = targets.sum(0)
    some, both = counts > 0, (counts > 0) & (counts < clips)
    found = {
        "average_precision": [average_precision_score(targets[:, c], scores[:, c]) if some[c] else np.nan
                              for c in range(classes)],
        "roc_auc": [roc_auc_score(targets[:, c], scores[:, c]) if both[c] else np.nan for c in range(classes)],
    }
    if (targets.sum(1) == 1).all():
        truth = targets.argmax(1)
        found["accuracy"] = [accuracy_score(truth, scores.argmax(1))]
        if classes > 5:
            found["top5"] = [top_k_accuracy_score(truth, scores, k=5, labels=np.arange(classes))]
    if some.any():
        found["map"] = [average_precision_score(targets[:, some], scores[:, some], average="macro")]
    if both.any():
        auc = roc_auc_score(targets[:, both], scores[:, both], average="macro")
        found |= {"auc": [auc], "dprime": [np.sqrt(2) * ndtri(auc)]}
    return {name: np.array(value, np.float64) for name, value in found.items()}


if __name__ == "__main__":
    golden = {}
    for case, settings in CASES.items():
        found = results(*inputs(case, *settings))
        golden |= {f"{case}.{name}": value for name, value in found.items()}
    safetensors.numpy.save_file(golden, Path(__file__).with_name("metrics.safetensors"))
