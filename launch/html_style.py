"""How a report looks: one style sheet, no fonts or pictures from elsewhere."""

from launch.figures import COLOURS

_LIGHTER = ("#4FB0E8", "#FF8A3D", "#2CC497", "#E3A0C6", "#F0B73A", "#8CCBF2", "#B5BAC4")


def _variables(colours: tuple[str, ...]) -> str:
    return " ".join(f"--c{i}: {colour};" for i, colour in enumerate(colours))


STYLE = f"""
:root {{
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --ink: #22262e; --faint: #5f6672; --grid: #dfe2e7; --link: #0b5cad;
  {_variables(COLOURS)}
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --paper: #14171c; --card: #1d2129; --ink: #e6e8ec; --faint: #a0a7b4; --grid: #363c48; --link: #7cb8f5;
    {_variables(_LIGHTER)}
  }}
}}
* {{ box-sizing: border-box; }}
body {{
  margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere;
}}
h1 {{ font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }}
h2 {{ font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-top: .5rem; border-top: 1px solid var(--grid); }}
h3 {{ font-size: 1.05rem; margin: 1.5rem 0 .5rem; }}
p, ul {{ margin: .5rem 0; max-width: 48rem; }}
a {{ color: var(--link); }}
nav ol {{ display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; padding: 0; list-style: none; }}
nav a {{ display: inline-block; padding: .2rem 0; }}
.grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: 1rem; align-items: start; }}
.small {{ grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); }}
figure {{ margin: 0; padding: .75rem; background: var(--card); border-radius: .5rem; min-width: 0; }}
figure svg, figure img, figure video {{ display: block; width: 100%; height: auto; }}
figure svg {{ max-width: 30rem; margin: 0 auto; }}
figure img, figure video {{ max-height: 24rem; object-fit: contain; }}
figure img {{ image-rendering: pixelated; }}
figure.table {{ padding: 0; background: none; border-radius: 0; margin: .75rem 0 1.25rem; }}
figure.table figcaption {{ max-width: 48rem; margin: 0 0 .25rem; }}
figcaption {{ margin-top: .5rem; font-size: .9rem; color: var(--faint); }}
.scroll {{ overflow-x: auto; max-width: 100%; }}
table {{ border-collapse: collapse; font-size: .95rem; overflow-wrap: normal; }}
th, td {{ padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }}
thead th {{ font-weight: 600; vertical-align: bottom; }}
tbody th {{ font-weight: 500; }}
thead .number.number {{ white-space: normal; }}
td, th {{ min-width: 4.5rem; }}
.number {{ white-space: nowrap; min-width: 0;  text-align: right; font-variant-numeric: tabular-nums; }}
details {{ margin: .5rem 0; }}
summary {{ cursor: pointer; padding: .3rem 0; }}
dl {{ display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .25rem 1rem; margin: .5rem 0 1rem; }}
dt {{ color: var(--faint); }}
dd {{ margin: 0; min-width: 0; }}
code {{ font: .88rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }}
.legend {{ display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; font-size: .9rem; }}
.swatch {{ display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: .15em; }}
.note {{ max-width: 48rem; padding: .5rem .75rem; background: var(--card); border-left: 3px solid var(--c4); }}
@media (max-width: 30rem) {{ dl {{ grid-template-columns: 1fr; gap: 0; }} dd {{ margin-bottom: .5rem; }} }}
"""
