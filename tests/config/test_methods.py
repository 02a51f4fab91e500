"""Methods by name: listed without imports, matched by the features that they give and take."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from latentcell.config import methods as m
from latentcell.runtime.errors import InputError

PACKAGE = Path(m.__file__).parents[1]
COMBINES = "def combine(probabilities: Sequence[Probabilities]) -> Features:"
SIGNATURES = {
    "represent": "def fit(training: Labelled, size: int, options: Options) -> Transform:",
    "classify": "def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:",
}


def test_names_are_those_of_the_files():
    assert "scvi-z<number>" in m.known_methods("represent")
    assert {"log", "hvg-pca-k<number>", "nmf-k<number>"} <= set(m.known_methods("represent"))
    assert {"svm-rbf", "naive-bayes", "ffnn", "majority"} <= set(m.known_methods("classify"))
    for stage in ("represent", "classify"):
        files = [p for p in (PACKAGE / stage / "methods").glob("*.py") if p.stem != "__init__"]
        assert len(m.known_methods(stage)) == len(files) > 5


def test_a_number_in_a_name_is_the_size():
    found = m.representation("hvg-pca-k50")
    assert (found.path.name, found.size, found.kinds) == ("hvg_pca.py", 50, ("scores",))
    assert m.representation("log").size == 0
    assert m.classifier("svm-rbf").path.name == "svm_rbf.py"


@pytest.mark.parametrize(
    "name",
    [
        *("hvg-pca", "hvg-pca-z50", "hvg-pca-k0", "pca-k0", "pca-k05", "pca", "raw-k3", "log-k3"),
        *("scVI-z10", "__init__", "../pca", "", "consensus", "consensus-", "raw-consensus"),
    ],
)
def test_what_is_no_representation_is_refused_with_those_that_are(name):
    with pytest.raises(InputError, match=r"expected a representation among .*hvg-pca-k<number>"):
        m.representation(name)


def test_what_is_no_classifier_is_refused():
    with pytest.raises(InputError, match=r"expected a classifier among actinn, .* found 'svm'"):
        m.classifier("svm")


def test_raw_counts_and_components_are_files_like_all_others():
    assert m.representation("raw").path.name == "raw.py"
    found = m.representation("pca-k50")
    assert (found.path.name, found.size) == ("pca.py", 50)


def test_models_are_representations_without_a_file():
    names = ["gmvae-z10-h100", "vae-z2-h3", "semi-gmvae-z10-h100", "dca-z32-h64"]
    assert all(map(m.is_model, names))
    assert not any(map(m.is_model, ["raw", "pca-k50", "scvi-z10", "semi-pca-z2-h3", "gmvae-z10"]))
    for name in names:
        with pytest.raises(InputError, match=f"expected a representation among .* found '{name}'"):
            m.representation(name)


def test_a_consensus_ends_in_a_free_name():
    assert "consensus-<name>" in m.known_methods("represent")
    found = m.representation("consensus-pca-k50")
    assert (found.path.name, found.size, found.combines) == ("consensus.py", 0, True)
    assert not m.representation("hvg-pca-k50").combines
    assert m.fitting_classifiers("consensus-x", ["ffnn", "argmax", "knn"]) == ["argmax"]
    both = ["stacked", "argmax"]
    assert m.fitting_classifiers("consensus-x", both) == both
    assert m.fitting_classifiers("semi-gmvae-z2-h3", both) == ["argmax"]


def test_features_are_of_a_kind():
    kinds = {
        "raw": "counts",
        "pca-k5": "scores",
        "log": "log",
        "nmf-k2": "scores",
        "gmvae-z10-h100": "scores",
        "vae-z2-h3": "scores",
        "dca-z32-h64": "scores",
        "semi-gmvae-z10-h100": "types",
        "semi-vae-z10-h100": "types",
        "consensus-pca-and-gmvae": "types",
    }
    assert {name: m.gives(name) for name in kinds} == kinds


def test_representations_have_a_part_in_comparisons():
    parts = {
        "raw": "baseline",
        "hvg-pca-k5": "baseline",
        "nmf-k2": "baseline",
        "scvi-z10": "latent",
        "scanvi-z10": "latent",
        "gmvae-z10-h100": "latent",
        "dca-z32-h64": "latent",
        "label-rule": "oracle",
    }
    assert {name: m.role(name) for name in parts} == parts


def test_classifiers_get_what_makes_sense_to_them():
    asked = ["naive-bayes", "celltypist", "svm-rbf", "ffnn"]
    assert m.fitting_classifiers("raw", asked) == ["naive-bayes", "ffnn"]
    assert m.fitting_classifiers("log", asked) == ["celltypist", "ffnn"]
    assert m.fitting_classifiers("pca-k5", asked) == ["svm-rbf", "ffnn"]
    assert m.fitting_classifiers("gmvae-z2-h3", [*asked, "argmax"]) == ["svm-rbf", "ffnn"]
    assert m.fitting_classifiers("semi-gmvae-z2-h3", ["svm-rbf", "argmax"]) == ["argmax"]


def test_every_method_says_what_it_is_and_has_the_signature():
    for stage, find in (("represent", m.representation), ("classify", m.classifier)):
        for name in m.known_methods(stage):
            method = find(name.replace("<number>", "3").replace("<name>", "two"))
            assert set(method.kinds) <= {"counts", "log", "scores", "types", "members", "experts"}
            signature = COMBINES if method.combines else SIGNATURES[stage]
            assert signature in method.path.read_text(), method.path


def test_knowing_methods_imports_no_library():
    code = (
        "import sys; from latentcell.config import methods as m; m.known_methods('represent');"
        "m.fitting_classifiers('log', ['celltypist', 'svm-rbf']); m.representation('scvi-z10');"
        "print([name for name in ('numpy', 'scipy', 'sklearn', 'scanpy', 'scvi', 'torch') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_library_is_named_with_the_command_that_adds_it(tmp_path):
    method = m.Method("classify", "new", tmp_path / "new.py", 0, ("log",), ("no_such_library.x",))
    with pytest.raises(InputError, match=r"classifier new needs .* no_such_library.*: pip install"):
        method.load()


def test_versions_of_its_libraries_are_known():
    found = m.classifier("logistic").versions()
    assert found == [f"sklearn {version('scikit-learn')}"]
    assert m.classifier("ffnn").versions() == m.representation("raw").versions() == []
    own = m.Method("classify", "new", Path("new.py"), 0, ("log",), ("no_such_library.x", "numpy"))
    assert own.versions() == [f"numpy {version('numpy')}"]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a user's own method in place of those of the package."""
    monkeypatch.setattr(m, "_PACKAGE", tmp_path)

    def write(stage, text):
        path = tmp_path / stage / "methods/mine.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("stage", "text", "said"),
    [
        ("represent", "", "GIVES = one of counts, log, scores, types, found none"),
        ("represent", 'GIVES = "score"', "GIVES = one of .*, found 'score'"),
        ("represent", 'GIVES = ("log",)', r"GIVES = one of .*, found \('log',\)"),
        ("classify", 'TAKES = ("scores")', "TAKES = a tuple of .*, found 'scores'"),
        ("classify", "TAKES = ()", r"TAKES = a tuple of .*, found \(\)"),
        ("classify", "", "TAKES = a tuple of .*, found none"),
        ("classify", 'TAKES = ("log",)\nUSES = "sklearn"', "USES = a tuple of modules, found"),
        ("classify", 'TAKES = ("log",)\nSECTION = "vae"', "SECTION = pca or ffnn, found 'vae'"),
        ("classify", 'TAKES = ("log",)\nALL_TYPES = 1', "ALL_TYPES = True or False, found 1"),
        ("represent", 'GIVES = "log"\nDATASETS = "x"', "DATASETS = a tuple of data sets, found"),
        ("represent", 'GIVES = "log"\nSIZE = 5', "SIZE = a letter from a to z, found 5"),
        ("classify", "TAKES = KINDS", "TAKES = a tuple of .*, written out, found KINDS"),
        ("classify", "TAKES = (", "Python, found '\\(' was never closed"),
    ],
)
def test_wrong_constants_of_a_method_are_named(own, stage, text, said):
    path = own(stage, text)
    find = {"represent": m.representation, "classify": m.classifier}[stage]
    with pytest.raises(InputError, match=f"^{path}: expected {said}"):
        find("mine")


def test_constants_may_have_a_type(own):
    own("classify", 'TAKES: tuple[str, ...] = ("log",)\nUSES: tuple[str, ...]\n')
    assert m.classifier("mine").kinds == ("log",)


@pytest.mark.parametrize(
    ("text", "second", "name"),
    [
        ('GIVES = "scores"\nSIZE = "k"', "mine_k5.py", "mine-k5"),
        ('GIVES = "types"\nCOMBINES = True', "mine_too.py", "mine-too"),
    ],
)
def test_a_name_that_two_files_mean_is_refused(own, text, second, name):
    first = own("represent", text)
    assert m.representation(f"{name}7").path == first
    other = first.with_name(second)
    other.write_text('GIVES = "log"')
    said = f"^{first}: expected no other file of the representation {name}, found {other}: rename"
    with pytest.raises(InputError, match=said):
        m.representation(name)
    assert m.representation(f"{name}7").path == first
