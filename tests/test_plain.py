from meshgait.plain import few_values


def test_shared_lists_count_as_often_as_they_are_there():
    value = [1]
    for _ in range(30):
        value = [value, value]
    assert not few_values(value) and not few_values({"a": (value,)})
    value.append(value)  # without end
    assert not few_values(value)
    assert few_values({"a": [1, (2, {"b": {3}})]})
