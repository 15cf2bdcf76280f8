"""The node `video_player`: publishes the frames of a video as a camera does."""
