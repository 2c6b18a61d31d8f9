from metrichmsr_ros.train_log import CsvLog, read_log


def test_log_drops_what_a_resumed_run_writes_again(tmp_path):
    path = tmp_path / 'log.csv'
    first = CsvLog(path)
    for step in (1, 2, 3):
        first.write({'step': step, 'loss': 0.5 * step})
    CsvLog(path, after_step=2).write({'step': 3, 'loss': 9})

    assert [row['loss'] for row in read_log(path)] == [0.5, 1.0, 9.0]
    CsvLog(path)
    assert read_log(path) == []
