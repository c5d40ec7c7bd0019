"""Loss and accuracy of the mean of several models' probabilities, by SciPy's softmax and scikit-learn's metrics.

Writes Tests/Fixtures/ensembles.json.
"""

import json

import numpy
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.metrics import accuracy_score, log_loss

from fixtures import FIXTURES, Source


def case(name, members, images, classes, scale):
    """Logits that favour the right class a little, so that models differ and agree."""
    source = Source(name)
    labels = source.integers(images, below=classes)
    logits = source.normal(members, images, classes, scale=scale)
    logits[:, numpy.arange(images), labels] += numpy.float32(scale)
    exact = logits.astype(numpy.float64)
    mean = softmax(exact, axis=2).mean(axis=0)
    right = log_softmax(exact, axis=2)[:, numpy.arange(images), labels]
    loss = float(-(logsumexp(right, axis=0) - numpy.log(members)).mean())
    if scale < 10:  # scikit-learn's loss has a least probability
        assert abs(loss - log_loss(labels, mean, labels=range(classes))) < 1e-9
    accuracy = accuracy_score(labels, mean.argmax(axis=1))
    print(f"{name}: loss {loss:.4f}, accuracy {accuracy:.4f}")
    return {
        "name": name, "classes": classes, "labels": labels.tolist(), "logits": [[float(value) for value in member.ravel()] for member in logits],
        "loss": loss, "accuracy": accuracy,
    }


if __name__ == "__main__":
    cases = [case("three of five classes", 3, 40, 5, 1.5), case("one alone", 1, 12, 4, 2), case("far apart", 4, 20, 3, 400)]
    (FIXTURES / "ensembles.json").write_text(json.dumps(cases) + "\n")
