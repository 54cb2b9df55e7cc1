"""StreamsGroupTopologyDescriptionUpdate: a Streams client hands in the readable description of its topology.

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class TopologyDescriptionNode(w.Struct):
    name: str = w.string()
    node_type: int = w.int8()
    source_topics: list[str] = w.array(w.string())
    sink_topic: str | None = w.string(null="0+", default=None)
    stores: list[str] = w.array(w.string())
    successors: list[str] = w.array(w.string())


class StreamsGroupTopologyDescriptionUpdate(w.Api, key=93, versions="0", flexible="0+"):
    class Request(w.Struct):
        class TopologyDescription(w.Struct):
            class Subtopology(w.Struct):
                subtopology_id: str = w.string()
                nodes: list[TopologyDescriptionNode] = w.array(TopologyDescriptionNode)

            class GlobalStore(w.Struct):
                source: TopologyDescriptionNode = w.struct(TopologyDescriptionNode)
                processor: TopologyDescriptionNode = w.struct(TopologyDescriptionNode)

            subtopologies: list[Subtopology] = w.array(Subtopology)
            global_stores: list[GlobalStore] = w.array(GlobalStore)

        group_id: str = w.string()
        member_id: str = w.string()
        topology_epoch: int = w.int32()
        topology_description: TopologyDescription = w.struct(TopologyDescription)

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
