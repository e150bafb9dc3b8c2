// The coarsest partition of a finite automaton into states that nothing can tell apart: the same labels lead from the members of a class to
// the same classes. Two states of one class may stand for each other everywhere, exactly.

export interface Edge {
  /** Names the input, and what is seen when it is taken. */
  readonly label: string;
  readonly isSeen: boolean;
  readonly target: number;
}

/** The class of each state. An input without an edge, and an unseen edge within a class, both mean "nothing happens". */
export function classesOf(edges: readonly (readonly Edge[])[]): Int32Array {
  let classes = numbered(edges.map(() => ''));
  for (let count = 0; classes.count !== count; ) {
    count = classes.count;
    const before: Int32Array = classes.of;
    const signatures = edges.map((list, state) => {
      const own = before[state]!;
      const parts = list
        .filter(({ isSeen, target }) => isSeen || before[target] !== own)
        .map(({ label, target }) => `${label}>${before[target]}`);
      return `${own}|${parts.join(' ')}`;
    });
    classes = numbered(signatures);
  }
  return classes.of;
}

function numbered(keys: readonly string[]): { of: Int32Array; count: number } {
  const ids = new Map<string, number>();
  const of = Int32Array.from(keys, (key) => {
    const known = ids.get(key);
    if (known !== undefined) return known;
    ids.set(key, ids.size);
    return ids.size - 1;
  });
  return { of, count: ids.size };
}
