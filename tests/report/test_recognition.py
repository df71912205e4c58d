import numpy as np
import pytest

from meshgait.evaluation.cmc import cmc, first_ranks
from meshgait.evaluation.verification import verification
from meshgait.report.folder import read_run
from meshgait.report.recognition import by_protocol, comparisons, conditions, recognition
from tests.report.runs import make_run, record


def with_record(folder, **options):
    run = make_run(folder, without=("evaluation.npz", "pictures"))
    record(**options).write(run / "evaluation.npz")
    return read_run(run)


def test_curves_are_those_of_the_evaluation(tmp_path):
    run = with_record(tmp_path / "run", subjects=8)
    assert conditions(run) == ["nm", "bg"]
    found = recognition(run, "bg")
    assert (found.run, found.condition) == ("run", "bg")
    np.testing.assert_array_equal(found.cmc, cmc(first_ranks(run.record, "bg").ranks, 20))
    assert (found.cmc_band[0] <= found.cmc).all() and (found.cmc <= found.cmc_band[1]).all()
    assert found.verification.rates.eer == verification(run.record, "bg").rates.eer
    # cross-view: 8 persons x 3 views x 2 gallery sequences of the 2 other views
    assert found.verification.mated == 8 * 3 * 4
    assert found.verification.nonmated == 8 * 3 * 4 * 7


def test_one_person_has_no_non_mated_comparison(tmp_path):
    found = recognition(with_record(tmp_path / "run", subjects=1), "nm")
    assert found.verification is None
    assert found.cmc[0] == 100 and np.isnan(found.cmc_band).all()


def test_what_cannot_be_scored_is_not(tmp_path):
    assert conditions(with_record(tmp_path / "hidden", scoring="hidden")) == []
    assert conditions(read_run(make_run(tmp_path / "one", stage=1))) == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            {"exclude": "same_view"},
            "cross-view: a probe is compared with the gallery's sequences of all other views",
        ),
        ({"exclude": "same_subject_and_view"}, "Mated comparisons are cross-view"),
        ({"exclude": "none"}, "Every probe is compared with every sequence"),
        ({"exclude": "none", "scoring": "subjects"}, "Persons are compared"),
    ],
)
def test_the_comparisons_are_said_in_words(rule, says):
    text = comparisons(record(**rule))
    assert says in text and "non-mated" in text


def test_protocols_are_kept_apart(tmp_path):
    one, two = (recognition(with_record(tmp_path / name), "nm") for name in ("a", "b"))
    assert {name: len(members) for name, members in by_protocol([one, two]).items()} == {"walkers": 2}
