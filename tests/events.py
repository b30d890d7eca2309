"""TensorBoard event files as TensorBoard itself reads them."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(folder):
    """{name: [(step, value), ...]} in the order of the file, of a folder with one event file."""
    assert len([*folder.glob("events.out.tfevents.*")]) == 1
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False).Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
