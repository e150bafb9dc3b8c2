// What a bench hands over: a table for people, and the same for programs by JSON.

export interface BenchTable {
  title: string;
  columns: string[];
  rows: (string | number)[][];
  notes: string[];
}

/** Prints a table to stdout: first column to the left, figures to the right. */
export function printTable(table: BenchTable): void {
  const lines = [table.columns, ...table.rows.map((row) => row.map(String))];
  const widths = table.columns.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  print(`\n${table.title}\n`);
  for (const line of lines) {
    const cells = widths.map((width, column) => {
      const cell = line[column] ?? '';
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    print(`  ${cells.join('  ').trimEnd()}`);
  }
  for (const note of table.notes) print(`  ${note}`);
}
