// Is a history of concurrent operations on one name what some order of them, one after the other, would have given? The search of Wing and Gong
// with the memory of Lowe: every set of operations done so far is tried once for each value it can leave behind.
//
// An operation whose outcome is not known may have happened at any time after its begin, or never.

export type Condition =
  | { readonly kind: 'any' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'match'; readonly value: string };

export type Call =
  | { readonly kind: 'get' }
  | { readonly kind: 'put'; readonly value: string; readonly condition: Condition }
  | { readonly kind: 'delete'; readonly condition: Condition };

export type Result =
  | { readonly kind: 'done' }
  /** Of a get; undefined: nothing is there. */
  | { readonly kind: 'value'; readonly value: string | undefined }
  /** The condition did not hold, or there was nothing to delete: nothing was changed. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' };

export interface Operation {
  readonly client: number;
  readonly call: Call;
  readonly result: Result;
  /** On one clock. */
  readonly begunAt: number;
  /** Infinity when the outcome is not known. */
  readonly endedAt: number;
}

type State = string | undefined;

/** An order of the operations that gives the same results, or undefined: there is none. */
export function linearize(history: readonly Operation[]): readonly Operation[] | undefined {
  const operations = history.toSorted((a, b) => a.begunAt - b.begunAt);
  return new Search(operations).run();
}

interface Frame {
  readonly done: bigint;
  readonly state: State;
  readonly order: readonly number[];
}

class Search {
  readonly #operations: readonly Operation[];
  readonly #seen = new Set<string>();

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
  }

  run(): readonly Operation[] | undefined {
    const stack: Frame[] = [{ done: 0n, state: undefined, order: [] }];
    for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
      if (this.#isComplete(frame.done)) return frame.order.map((index) => this.#operations[index]!);
      for (const index of this.#next(frame.done)) {
        const after = apply(this.#operations[index]!, frame.state);
        if (after === IMPOSSIBLE) continue;
        const done = frame.done | (1n << BigInt(index));
        const name = `${done} ${after ?? '-'}`;
        if (this.#seen.has(name)) continue;
        this.#seen.add(name);
        stack.push({ done, state: after, order: [...frame.order, index] });
      }
    }
    return undefined;
  }

  /** What is left may never have happened. */
  #isComplete(done: bigint): boolean {
    return this.#operations.every(({ result }, index) => isIn(done, index) || result.kind === 'unknown');
  }

  /** Those that begun before the first of the rest had ended. */
  #next(done: bigint): readonly number[] {
    const left = [...this.#operations.keys()].filter((index) => !isIn(done, index));
    const firstEnd = Math.min(...left.map((index) => this.#operations[index]!.endedAt));
    return left.filter((index) => this.#operations[index]!.begunAt <= firstEnd);
  }
}

const isIn = (done: bigint, index: number): boolean => ((done >> BigInt(index)) & 1n) === 1n;

const IMPOSSIBLE = Symbol('impossible');

/** What is there after the operation, if it can have had its result now. */
function apply({ call, result }: Operation, state: State): State | typeof IMPOSSIBLE {
  if (call.kind === 'get') {
    if (result.kind === 'unknown') return state;
    return result.kind === 'value' && result.value === state ? state : IMPOSSIBLE;
  }
  const holds = isMet(call.condition, state) && (call.kind === 'put' || state !== undefined);
  if (result.kind === 'refused') return holds ? IMPOSSIBLE : state;
  if (!holds) return IMPOSSIBLE;
  return call.kind === 'put' ? call.value : undefined;
}

function isMet(condition: Condition, state: State): boolean {
  switch (condition.kind) {
    case 'any':
      return true;
    case 'absent':
      return state === undefined;
    case 'match':
      return state === condition.value;
  }
}
