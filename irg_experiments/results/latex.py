"""Tables in LaTeX, with the rules of the package booktabs."""

from irg_experiments.results.table import Table

# what LaTeX would read as commands, and signs that fonts of text lack
_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "‖": r"$\|$",
    "µ": r"\textmu{}",
    "φ": r"$\varphi$",
    "κ": r"$\kappa$",
}


def latex(table: Table) -> str:
    """A table for ``\\usepackage{booktabs}``; like a terminal's, it has no column of commands."""
    shown = [column for column, name in enumerate(table.header) if name not in table.page_only]
    rows = [[_cell(row[column], column < table.labels) for column in shown] for row in table.rows]
    header = [escaped(table.header[column]) for column in shown]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(table.title)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{''.join('l' if column < table.labels else 'r' for column in shown)}}}",
            r"\toprule",
            rf"{' & '.join(header)} \\",
            r"\midrule",
            *(rf"{' & '.join(row)} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_SIGNS.get(sign, sign) for sign in text)


def _cell(cell: str, is_label: bool) -> str:
    # the minus of a number, which a hyphen is not
    return f"$-${escaped(cell[1:])}" if cell.startswith("-") and not is_label else escaped(cell)
