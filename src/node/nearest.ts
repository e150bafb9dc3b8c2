// Which word was meant: the known one that takes the fewest edits.

const LENGTH_MAX = 64;

/** The nearest of `known` by edit distance, or undefined when none is near: more than a quarter of its letters differ. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const found = known
    .map((name) => ({
      name,
      edits: editDistance(word.slice(0, LENGTH_MAX).toLowerCase(), name.toLowerCase()),
    }))
    .sort((a, b) => a.edits - b.edits)[0];
  return found !== undefined && found.edits <= Math.max(2, found.name.length / 4) ? found.name : undefined;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
