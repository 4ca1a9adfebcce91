if (window.self !== window.top) document.documentElement.classList.add("framed");

// Tables of class "sortable": a click on a column head sorts by it, a second click turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
      const numeric = head.classList.contains("n");
      const down = head.ariaSort === (numeric ? "descending" : "ascending") ? !numeric : numeric;
      heads.forEach(other => { other.ariaSort = null; });
      head.ariaSort = down ? "descending" : "ascending";
      const number = row => parseFloat(key(row).replaceAll(",", ""));
      const sign = down ? -1 : 1;
      const last = value => Number.isNaN(value) ? 1 : 0;
      const order = numeric
        ? (a, b) => last(number(a)) - last(number(b)) || sign * (number(a) - number(b)) || 0
        : (a, b) => sign * key(a).localeCompare(key(b), "en");
      for (const body of table.tBodies) body.append(...[...body.rows].sort(order));
    };
  });
}
