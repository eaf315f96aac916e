"""Color and edit: wedge, conform."""

from pathlib import Path
from typing import Annotated

import typer

from film_pipeline.cli.telling import AsJson, Where, app, opened, print_json, tell, told


@app.command()
@told
def conform(
    edited: Annotated[
        list[Path] | None,
        typer.Argument(help="The edited timeline: one .otio, or an .edl with all its parts.", show_default=False),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Go back to the first assembly instead.")] = False,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Take an edited timeline (.otio, or .edl with all its parts) back into the cut: its order and its trims.

    Example: film conform ~/edit/my-film_v2.otio && film run
    """
    from film_pipeline.departments.edit import conform_cut, film_cut, forget_edit

    if bool(edited) == forget:
        raise typer.BadParameter("name an edited timeline, or --forget the last one")
    with opened(production) as film:
        if forget:
            forget_edit(film)
        cut = conform_cut(film, *edited) if edited else film_cut(film)
    if as_json:
        clips = [
            {"shot": clip.shot, "first_frame": clip.source.first_frame, "last_frame": clip.source.last_frame}
            for clip in cut.clips
        ]
        print_json({"frames": cut.length, "clips": clips})
    tell(f"the cut is now {len(cut.clips)} clips, {cut.length} frames. Next: film run")


@app.command()
@told
def wedge(
    shot: str,
    look: Annotated[
        list[str], typer.Option("--look", help="A variation, such as 'warm: {cdl: {slope: [1.1, 1, 0.9]}}'")
    ],
    frame: Annotated[int | None, typer.Option(help="The frame; the first unless given.", show_default=False)] = None,
    production: Where = None,
    as_json: AsJson = False,
) -> None:
    """Put several grades of one frame on one sheet.

    Example: film wedge SC010_SH010 --look 'darker: {exposure_stops: -0.5}' --look 'flat: {vignette: {amount: 0}}'
    """
    from film_pipeline.departments.color import wedge_sheet

    with opened(production) as film:
        sheet = wedge_sheet(film, shot, look, frame)
    if as_json:
        print_json({"sheet": str(sheet)})
    tell(f"wrote {sheet}")
