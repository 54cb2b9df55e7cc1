"""What a consumer of old segments, which are on the disk only, does to producers beside it."""
