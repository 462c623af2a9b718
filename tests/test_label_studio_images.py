"""The images of pushed chips: who gets them, what a new rendering changes, what stands beside, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import requests
from label_studio_fixture import chips_of, images_of
from label_studio_projects import api, tasks_of
from PIL import Image

from labkit import schema
from labkit.errors import FileError, LabkitError, ServerError
from labkit.label import connect, sending
from labkit.label.convert import to_region
from labkit.label.guidance import guidance_version
from labkit.label.project import Project

pytestmark = pytest.mark.server


def test_images_are_served_to_those_who_are_logged_in_and_to_nobody_else(studio, label_studio, two_chips, project):
    chips, images = two_chips
    studio.push(chips, images, project)
    address = label_studio.url + tasks_of(label_studio, studio, project)[0]["data"]["azimuth"]
    served = requests.get(address, headers={"Authorization": f"Token {label_studio.token}"}, timeout=30)
    assert served.status_code == 200
    assert served.headers["Content-Type"] == "image/png"
    assert served.content in {Path(path).read_bytes() for path in images["path"]}
    assert requests.get(address, timeout=30, allow_redirects=False).status_code in (401, 403)
    for escape in ("chips/../../secrets.json", "../secrets.json", "%2e%2e/secrets.json", "/etc/passwd"):
        outside = requests.get(
            f"{label_studio.url}/data/local-files/?d={escape}",
            headers={"Authorization": f"Token {label_studio.token}"},
            timeout=30,
        )
        assert outside.status_code >= 400, escape
        assert label_studio.token not in outside.text


def test_rendering_a_chip_anew_gives_its_image_another_address_and_keeps_what_was_drawn(
    studio, label_studio, two_chips, project
):
    chips, images = two_chips
    studio.push(chips, images, project)
    before = {task["data"]["chip_id"]: task for task in tasks_of(label_studio, studio, project)}
    chip_id, direction = images["chip_id"][0], images["direction"][0]
    region = to_region("kept", "range", (10.0, 20.0, 60.0, 90.0), 416)
    api(label_studio, "POST", f"/api/tasks/{before[chip_id]['id']}/annotations/", json={"result": [region]})
    drawn = studio.pull(project)
    Image.new("RGB", (416, 416), (1, 2, 3)).save(images["path"][0])
    report = studio.push(chips, images, project)
    assert (report.new, report.known, report.updated) == (0, 1, 1)
    after = {task["data"]["chip_id"]: task for task in tasks_of(label_studio, studio, project)}
    assert {name: task["id"] for name, task in after.items()} == {name: task["id"] for name, task in before.items()}
    old, new = before[chip_id]["data"], after[chip_id]["data"]
    assert {name for name in new if new[name] != old[name]} == {direction}
    assert api(label_studio, "GET", new[direction]).content == Path(images["path"][0]).read_bytes()
    gone = requests.get(
        label_studio.url + old[direction], headers={"Authorization": f"Token {label_studio.token}"}, timeout=30
    )
    assert gone.status_code == 404
    pd.testing.assert_frame_equal(pd.DataFrame(studio.pull(project)), pd.DataFrame(drawn))
    assert len(drawn) == 1
    assert studio.push(chips, images, project).updated == 0


def test_a_push_that_was_cut_goes_on_where_it_stopped(
    studio, label_studio, couplet_scene, tmp_path, project, monkeypatch
):
    chips = chips_of(couplet_scene, 100).iloc[:9].reset_index(drop=True)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    # nine chips in pages of four; the server and all that is sent are real
    monkeypatch.setattr(sending, "PAGE", 4)

    def cut_at(name: str, call: int) -> pytest.MonkeyPatch:
        """Let a person interrupt the push at a call of the project's method."""
        calls, going_on = iter(range(call)), getattr(Project, name)

        def interrupted(*given: object) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            going_on(*given)

        patch = pytest.MonkeyPatch()
        patch.setattr(Project, name, interrupted)
        return patch

    patch = cut_at("add_tasks", 1)
    with pytest.raises(KeyboardInterrupt):
        studio.push(chips, images, project)
    patch.undo()
    assert len(tasks_of(label_studio, studio, project)) == 4
    report = studio.push(chips, images, project)
    assert (report.new, report.known) == (5, 4)

    for path in images["path"]:
        Image.new("RGB", (100, 100), (1, 2, 3)).save(path)
    patch = cut_at("renew_task", 6)
    with pytest.raises(KeyboardInterrupt):
        studio.push(chips, images, project)
    patch.undo()
    report = studio.push(chips, images, project)
    assert (report.new, report.known, report.updated) == (0, 6, 3)
    listed = tasks_of(label_studio, studio, project)
    assert sorted(task["data"]["chip_id"] for task in listed) == sorted(chips["chip_id"])
    for task in listed:
        assert api(label_studio, "GET", task["data"]["range"]).content == Path(images["path"][0]).read_bytes()


def test_rate_chips_get_one_image_and_a_project_of_their_own(studio, two_chips, couplet_scene, tmp_path, project):
    rates = couplet_scene["gradient"].isel(direction=0, drop=True).to_dataset(name="rate").assign_attrs(scene="rates")
    chips = chips_of(rates, 512).iloc[:1]
    studio.push(chips, images_of(chips, rates, tmp_path / "rates"), project)
    report = studio.annotate(
        project,
        schema.boxes_table(
            {"scene": ["rates"], "direction": ["rate"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}
        ),
    )
    assert report.boxes == 1
    assert list(studio.pull(project, {"rates": rates})["xmin"]) == pytest.approx([9.5])
    with pytest.raises(LabkitError, match=r"must be made for the images \('azimuth', 'range'\)"):
        studio.push(*two_chips, project)


def test_pictures_beside_and_guidance_of_ones_own_reach_the_project(studio, label_studio, two_chips, tmp_path, project):
    chips, images = two_chips
    beside = images[images["direction"] == "range"].assign(direction="coherence")
    together = pd.concat([images, beside], ignore_index=True)
    report = studio.push(chips, together, project, guidance="<p>First words.</p>")
    shown = api(label_studio, "GET", tasks_of(label_studio, studio, project)[0]["data"]["coherence"]).content
    assert shown in {Path(path).read_bytes() for path in beside["path"]}
    boxes = {"scene": ["couplet"], "direction": ["range"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}
    studio.annotate(project, schema.boxes_table(boxes))
    assert list(studio.pull(project, store=tmp_path / "store")["guidance"]) == [guidance_version("<p>First words.</p>")]
    again = studio.push(chips, together, project, guidance="<p>Other words.</p>")
    assert (again.known, again.updated) == (2, 0)
    number = report.url.split("/")[-2]
    assert api(label_studio, "GET", f"/api/projects/{number}").json()["expert_instruction"] == "<p>Other words.</p>"
    # a label that was drawn under the first words keeps their version
    assert list(studio.pull(project, store=tmp_path / "store")["guidance"]) == [guidance_version("<p>First words.</p>")]
    with pytest.raises(LabkitError, match=r"must be made for the images \('azimuth', 'range'\), instead"):
        studio.push(*two_chips, project)


def test_a_chip_without_its_images_is_named(studio, two_chips, project):
    chips, images = two_chips
    with pytest.raises(LabkitError, match=f"chip '{chips['chip_id'][1]}' has \\['azimuth'\\]"):
        studio.push(chips, images.iloc[:3], project)
    Path(images["path"][0]).unlink()
    with pytest.raises(FileError, match=Path(images["path"][0]).name):
        studio.push(chips, images, project)
    with pytest.raises(LabkitError, match="project must be one of"):
        studio.pull(project)


def test_a_folder_that_the_server_does_not_serve_is_named(label_studio, two_chips, tmp_path, project):
    elsewhere = connect(files=tmp_path / "elsewhere")
    with pytest.raises(ServerError, match=r"must serve images from .*elsewhere"):
        elsewhere.push(*two_chips, project)


@pytest.mark.usefixtures("label_studio")
def test_the_view_of_an_explorer_becomes_a_task():
    import labkit as lk

    ifgs = lk.simulate.scene("tiny", seed=0).interferograms["ascending"].compute()
    explorer = lk.view.explore(ifgs)
    explorer.change(rows=[30.0, 80.0], cols=[40.0, 90.0])
    explorer.labelling.project.value = "seen in the explorer"
    explorer.labelling.button.param.trigger("clicks")
    assert "tiny-ascending-r30-c40-s50 is a new task of" in explorer.labelling.said.value, explorer.labelling.said.value
    explorer.labelling.button.param.trigger("clicks")
    assert "there already" in explorer.labelling.said.value
