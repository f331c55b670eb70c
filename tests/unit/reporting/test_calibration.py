from prefdelta.reporting import calibration


def test_it_takes_about_a_second_and_states_a_factor():
    before = calibration.cpu_seconds()
    found = calibration.measure()
    assert 3 * found.seconds <= (calibration.cpu_seconds() - before) + 0.01
    assert found.factor == found.seconds / calibration.REFERENCE_SECONDS
    assert 0.1 < found.factor < 10
