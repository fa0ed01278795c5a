import pytest

from ray_operator.controllers.dashboard.drain import ongoing_requests

PAGE = b"""# HELP ray_serve_num_ongoing_http_requests The number of ongoing requests in this proxy.
# TYPE ray_serve_num_ongoing_http_requests gauge
ray_serve_num_ongoing_http_requests{node_id="a",node_ip_address="10.0.0.1"} 2.0
ray_serve_num_ongoing_http_requests{node_id="b",node_ip_address="10.0.0.2"} 1.0
ray_serve_num_ongoing_grpc_requests{node_id="a"} 1.0
ray_serve_num_ongoing_http_requests_total{node_id="a"} 99.0
ray_serve_num_http_requests{node_id="a"} 7.0
"""


def test_the_gauges_of_all_proxies_are_added_up() -> None:
    assert ongoing_requests(PAGE) == 4


def test_a_page_without_the_gauges_counts_no_request() -> None:
    assert ongoing_requests(b"# nothing here\nup 1\n") == 0


@pytest.mark.parametrize("value", [b"NaN", b"+Inf", b"1-2", b"e", b"many"])
def test_a_gauge_that_is_no_number_leaves_the_count_unknown(value: bytes) -> None:
    odd = PAGE + b'ray_serve_num_ongoing_grpc_requests{node_id="b"} ' + value + b"\n"
    assert ongoing_requests(odd) is None
