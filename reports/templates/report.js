"use strict";
// Copying, tabs and the filter. Without them everything is on the page, one below the other.
(() => {
  const status = document.querySelector(".status");
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));

  // Copying: what is not shown as it is lies beside it in an element of its own.
  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  for (const button of all("button.copy")) {
    const notation = button.closest(".notation");
    const label = button.firstChild;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = notation.querySelector(".exact") ?? notation.querySelector(".shown");
      const done = await copied(source.textContent);
      button.focus();
      label.data = done ? "Copied" : "Not copied";
      button.classList.toggle("done", done);
      status.textContent = done ? "Copied to the clipboard" : "The browser does not let the page copy: select the text";
      setTimeout(() => {
        label.data = "Copy";
        button.classList.remove("done");
      }, 2000);
    });
  }

  // Tabs: left and right arrow, Home and End move between them, as the ARIA pattern has it.
  for (const formats of all(".formats")) {
    const panels = all(".notation", formats);
    const list = document.createElement("div");
    list.className = "tabs";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "Formats");
    const tabs = panels.map((panel) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = panel.id + "-tab";
      tab.textContent = panel.querySelector(".h4").textContent;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      list.append(tab);
      return tab;
    });
    const select = (chosen) => {
      panels.forEach((panel, index) => {
        panel.hidden = index !== chosen;
        tabs[index].setAttribute("aria-selected", String(index === chosen));
        tabs[index].tabIndex = index === chosen ? 0 : -1;
      });
    };
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => select(index));
      tab.addEventListener("keydown", (event) => {
        const last = tabs.length - 1;
        const next = {
          ArrowRight: index === last ? 0 : index + 1,
          ArrowLeft: index === 0 ? last : index - 1,
          Home: 0,
          End: last,
        }[event.key];
        if (next === undefined) return;
        event.preventDefault();
        select(next);
        tabs[next].focus();
      });
    });
    formats.insertBefore(list, panels[0]);
    formats.classList.add("tabbed");
    select(Math.max(0, panels.findIndex((panel) => panel.classList.contains("first"))));
  }

  // The filter: a row stays where every word is in its path, or in what else it says.
  for (const tools of all(".tools")) {
    const section = tools.parentElement;
    const tree = section.querySelector(".tree");
    const input = tools.querySelector(".filter");
    const matches = tools.querySelector(".matches");
    const folders = all("details", tree);
    tools.hidden = false;
    let index = null;
    let before = null;
    let timer = 0;

    // Made when it is first needed. Directories stand before what is in them.
    const indexed = () => {
      const paths = new Map();
      const above = (item) => {
        const folder = item.parentElement.parentElement;
        return folder.tagName === "DETAILS" ? folder : null;
      };
      for (const folder of folders) {
        const parent = above(folder.parentElement);
        paths.set(folder, (parent ? paths.get(parent) : "/") + folder.querySelector(".p").textContent);
      }
      return all("li.f", tree).map((row) => {
        const folder = above(row);
        const path = (folder ? paths.get(folder) : "/") + row.querySelector(".p").textContent;
        const said = row.textContent
          .replace("throughout", "start-up, steady, shutdown")
          .replace("start-up", "start-up startup");
        return { row, folder, text: (path + " " + said).toLowerCase() };
      });
    };

    const filter = () => {
      index ??= indexed();
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length === 0) {
        for (const { row } of index) row.hidden = false;
        for (const more of all(".more", tree)) more.hidden = false;
        for (const folder of folders) folder.parentElement.hidden = false;
        if (before) folders.forEach((folder, place) => { folder.open = before[place]; });
        before = null;
        matches.textContent = "";
        return;
      }
      before ??= folders.map((folder) => folder.open);
      const wanted = new Set();
      let count = 0;
      for (const { row, folder, text } of index) {
        const fits = words.every((word) => text.includes(word));
        row.hidden = !fits;
        if (!fits) continue;
        count += 1;
        for (let above = folder; above && !wanted.has(above); above = above.parentElement.parentElement.closest("details")) {
          wanted.add(above);
        }
      }
      for (const more of all(".more", tree)) more.hidden = true;
      for (const folder of folders) {
        folder.parentElement.hidden = !wanted.has(folder);
        folder.open = wanted.has(folder);
      }
      matches.textContent = `${count.toLocaleString("en")} of ${index.length.toLocaleString("en")} rows`;
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(filter, 120);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || input.value === "") return;
      event.preventDefault();
      input.value = "";
      filter();
    });
    const toggle = (open) => () => {
      for (const folder of folders) folder.open = open;
    };
    tools.querySelector(".expand").addEventListener("click", toggle(true));
    tools.querySelector(".collapse").addEventListener("click", toggle(false));
  }
})();
