"""The wide world: tables, things, cameras and light as people have them, seen by any camera."""
