const PERIOD = (12 * 60 + 25) * 60_000;
const first = Date.UTC(2026, 0, 1, 4, 10);

/** The next high waters after a moment, in milliseconds since 1970. */
export function tides(now, count = 8) {
    const start = Math.ceil((now - first) / PERIOD);
    return Array.from({ length: count }, (_, index) => first + (start + index) * PERIOD);
}

const table = globalThis.document?.querySelector('#tides');
if (table) {
    table.replaceChildren(...tides(Date.now()).map((moment) => {
        const row = document.createElement('tr');
        const cell = row.insertCell();
        cell.textContent = new Date(moment).toLocaleString();
        return row;
    }));
}
