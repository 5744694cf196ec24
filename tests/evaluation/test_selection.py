"""One set of words for which epoch counts; records keep their own fields."""

from ltbench.evaluation.selection import Selection
from ltbench.runs.record import Record


def test_every_rule_has_its_field_in_a_record():
    fields = {select: select.field for select in Selection}
    assert fields == {"last": "last", "validation": "selected", "best_test": "best"}
    assert set(fields.values()) <= set(Record.model_fields)
