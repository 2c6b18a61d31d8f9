import threading

from metrichmsr_ros.ros.mailbox import Mailbox


def test_the_newest_wins_and_the_drop_is_told() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert [mailbox.put(i) for i in (1, 2, 3)] == [False, True, True]
    assert mailbox.take() == 3
    assert not mailbox.put(4)
    assert mailbox.take() == 4


def test_take_waits_for_an_item_or_the_end() -> None:
    mailbox: Mailbox[int] = Mailbox()
    taken: list[int | None] = []

    def read() -> None:
        while (item := mailbox.take()) is not None:
            taken.append(item)
        taken.append(None)

    thread = threading.Thread(target=read)
    thread.start()
    mailbox.put(1)
    while taken != [1]:
        threading.Event().wait(0.001)
    mailbox.close()
    thread.join(5)
    assert taken == [1, None]


def test_what_is_unread_at_the_end_is_forgotten() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put(1)
    mailbox.close()
    assert mailbox.take() is None
    mailbox.put(2)
    assert mailbox.take() is None
