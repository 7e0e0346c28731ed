"""What lets tests run side by side: domains that differ, an order that ends at the same time."""

from types import SimpleNamespace

from helpers import workers


def test_no_two_workers_of_a_run_share_a_ros_domain():
    domains = [workers.own_domain(f'gw{number}') for number in range(100)]
    assert len(set(domains)) == 100
    assert 101 <= min(domains) < max(domains) <= 200
    assert 101 <= workers.own_domain('') <= 200


def test_the_longest_files_are_handed_out_first_and_are_there():
    assert [name for name in workers.LONGEST if not (workers.TESTS / name).is_file()] == []
    paths = [workers.TESTS / name for name in ('core/test_a.py', *reversed(workers.LONGEST))]
    items = [SimpleNamespace(path=path, number=number) for path in paths for number in range(2)]
    ordered = workers.longest_first(items)
    assert [(item.path, item.number) for item in ordered] == [
        (path, number) for path in reversed(paths) for number in range(2)]
