"""Images, stacks, pods and hosts that tests build and start with Podman."""
