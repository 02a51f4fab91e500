"""Any configuration is either valid, and comes back as it was, or refused key by key."""

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from latentcell.config.names import pca_name
from latentcell.config.settings import Settings, load_settings, parse_settings
from latentcell.runtime.errors import InputError

CONFIGS = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))
VALID = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONFIGS]
DEFAULTS = Settings().model_dump(mode="json")

# Wrong almost anywhere: other types, 0, negative, absurdly large, of no finite value.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 2**31, 10**18]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.sampled_from(["../../etc/passwd", "/dev/zero", "a/b", "all", "auto", "1e3", "\x00", "<b>"]),
    st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(-5, 5), max_size=2),
)


def paths(config, before=()):
    """The way to each value of a configuration, into sections and lists of sections."""
    items = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in items:
        yield (*before, key)
        inside = value[:1] if isinstance(value, list) else value
        if isinstance(inside, dict) or (inside and isinstance(inside, list)):
            yield from paths(inside, (*before, key))


PATHS = sorted({*paths(DEFAULTS), *(path for config in VALID for path in paths(config))}, key=str)


def put(config, path, value):
    """Set a value, with sections and lists of one entry on the way there where there are none."""
    for key, inner in zip(path, [*path[1:], None], strict=True):
        if isinstance(config, list):
            config += [None] * (key + 1 - len(config))
        if inner is None:
            config[key] = value
            return
        kind = list if isinstance(inner, int) else dict
        there = config[key] if isinstance(config, list) else config.get(key)
        if not isinstance(there, kind):
            config[key] = there = kind()
        config = there


@st.composite
def changed(draw):
    """A valid configuration with up to three values replaced, and maybe a key of no meaning."""
    config = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 3))):
        put(config, draw(st.sampled_from(PATHS)), draw(VALUES))
    if draw(st.booleans()):
        section = draw(
            st.sampled_from([(), ("vae",), ("datasets", 0), ("grid",), ("grid", "models", 0)])
        )
        put(config, (*section, draw(st.text(min_size=1, max_size=5)) + "?"), 1)
        return config, True
    return config, False


@given(changed())
def test_a_configuration_is_valid_or_refused_with_a_sentence(case):
    config, unknown = case
    try:
        settings = parse_settings(copy.deepcopy(config), "mine.yaml")
    except InputError as refusal:
        said = str(refusal)
        assert said.startswith("mine.yaml: ")
        assert len(said) > len("mine.yaml: ") + 10
        assert "pydantic" not in said
        return
    assert not unknown
    # What is stored beside the results gives the same settings.
    again = settings.model_dump(mode="json")
    assert parse_settings(again).model_dump(mode="json") == again
    assert "/" not in settings.run
    names = settings.dataset_names()
    assert not any("/" in name for name in names)
    assert len(names) == len(set(names)) >= 1
    assert settings.replicates >= 1
    assert settings.models()
    representations = settings.representations()
    assert len(representations) == len(set(representations))
    assert set(map(pca_name, settings.pca_components())) <= set(settings.baselines())


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_settings(path)
    except InputError as refusal:
        assert str(refusal).startswith(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch broken-in']",
        "run: !!python/name:os.system",
        "run: !!python/object/new:subprocess.Popen [['touch', 'broken-in']]",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nrun: [*c, *c]",
    ],
)
def test_tags_of_yaml_are_not_obeyed(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_settings("mine.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("preset", [[], {}, 1, None, ["scvae"]])
def test_a_preset_that_is_no_name_is_refused(preset):
    with pytest.raises(InputError, match=r"vae\.preset: "):
        parse_settings({"vae": {"preset": preset}})
