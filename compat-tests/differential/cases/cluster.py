"""ApiVersions, DescribeCluster and FindCoordinator: who is there."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import api_versions, describe_cluster, find_coordinator

CASES = [
    Case("ApiVersions", "0-5", "versions", "", api_versions()),
    Case("ApiVersions", "3-5", "name with a space", "", api_versions("a b"), "INVALID_REQUEST"),
    Case("ApiVersions", "3-5", "empty name", "", api_versions(""), "INVALID_REQUEST"),
    Case("ApiVersions", "3-5", "version that ends in a dash", "", api_versions(version="1.0-"), "INVALID_REQUEST"),
    Case("ApiVersions", "3-5", "version with inner dots and dashes", "", api_versions(version="1.0-rc.2")),
    Case("ApiVersions", "3-5", "twice", "probe", api_versions()),
    Case("ApiVersions", "5", "wrong cluster id", "", api_versions(cluster_id="not-this-cluster", node_id=1), "REBOOTSTRAP_REQUIRED"),
    Case("ApiVersions", "5", "node id without cluster id", "", api_versions(node_id=1), "INVALID_REQUEST"),
    Case("ApiVersions", "5", "empty cluster id", "", api_versions(cluster_id=""), "INVALID_REQUEST"),
    Case("ApiVersions", "5", "cluster id without node id", "", api_versions(cluster_id="not-this-cluster"), "INVALID_REQUEST"),
    #
    Case("DescribeCluster", "0-2", "brokers", "", describe_cluster()),
    Case("DescribeCluster", "0-2", "operations", "", describe_cluster(operations=True)),
    Case("DescribeCluster", "2", "fenced brokers too", "", describe_cluster(fenced=True)),
    Case("DescribeCluster", "1-2", "controllers", "", describe_cluster(endpoint_type=2), "MISMATCHED_ENDPOINT_TYPE"),
    Case("DescribeCluster", "1-2", "no such endpoint type", "", describe_cluster(endpoint_type=9), "UNSUPPORTED_ENDPOINT_TYPE"),
    #
    Case("FindCoordinator", "0-6", "group", "ready", find_coordinator("{group}")),
    Case("FindCoordinator", "4-6", "several groups", "ready", find_coordinator("{group}", "{other_group}")),
    Case("FindCoordinator", "4-6", "no group", "", find_coordinator()),
    Case("FindCoordinator", "4-6", "same group twice", "ready", find_coordinator("{group}", "{group}")),
    Case("FindCoordinator", "0-6", "empty group", "", find_coordinator("")),
    Case("FindCoordinator", "1-6", "transactional id", "", find_coordinator("{group}", kind=1)),
    Case("FindCoordinator", "1-6", "no such kind", "", find_coordinator("{group}", kind=9), "INVALID_REQUEST"),
    Case("FindCoordinator", "1-5", "share group too early", "", find_coordinator("{group}", kind=2), "INVALID_REQUEST"),
]
