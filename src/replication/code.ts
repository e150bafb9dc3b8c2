// Which erasure code an object gets, and how many holders make a put good. Pure tables and arithmetic.

import { StoreError } from '../base/errors.ts';
import { CODE_PIECES_MAX } from '../base/limits.ts';

export interface Code {
  /** Pieces that rebuild a segment. */
  readonly k: number;
  /** Pieces made. */
  readonly n: number;
}

/** Default by the number of independent operators in the shard; the reasons are in docs/theory.md. */
export function defaultCode(operatorCount: number): Code {
  if (operatorCount >= 60) return { k: 20, n: 50 };
  if (operatorCount >= 30) return { k: 10, n: 30 };
  if (operatorCount >= 12) return { k: 4, n: 12 };
  if (operatorCount >= 10) return { k: 4, n: 10 };
  if (operatorCount >= 7) return { k: 3, n: 7 };
  if (operatorCount >= 4) return { k: 2, n: 4 };
  return { k: 1, n: Math.max(1, operatorCount) };
}

/** Healthy pieces at or below which a segment is repaired. */
export function repairThreshold({ k, n }: Code): number {
  if (k === 20 && n === 50) return 35;
  if (k === 10 && n === 30) return 20;
  if (k === 4 && n === 12) return 8;
  if (n < 12) return n - 1;
  return k + Math.ceil((n - k) / 2);
}

/**
 * Holders that must have stored their piece durably before a put is acknowledged. With f = floor((n - 1) / 3) liars
 * among the n holders, k + f confirmations leave k honest ones. From n = 12 on the bound is one above the repair
 * threshold, so that an acknowledged segment does not need repair at once. Whole copies want a majority.
 */
export function putQuorum(code: Code): number {
  const { k, n } = code;
  if (k === 1) return Math.floor(n / 2) + 1;
  const faulty = Math.floor((n - 1) / 3);
  const quorum = n >= 12 ? Math.max(repairThreshold(code) + 1, k + faulty) : k + faulty;
  return Math.min(n, quorum);
}

/** Whole copies of the manifest: it survives every loss that the segments survive. */
export function manifestCopies({ k, n }: Code): number {
  return n - k + 1;
}

/** Copies of a manifest that a put waits for: a majority, and as many losses survived as the segments survive. */
export function recordQuorum(code: Code): number {
  const copies = manifestCopies(code);
  return Math.min(copies, Math.max(Math.floor(copies / 2) + 1, putQuorum(code) - code.k + 1));
}

/** Throws INVALID_ARGUMENT unless 1 <= k <= n <= 255. */
export function checkCode(code: Code): Code {
  const { k, n } = code;
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || n < k || n > CODE_PIECES_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `code ${k}/${n} is not possible`, {
      next: `choose 1 <= k <= n <= ${CODE_PIECES_MAX}, for example --code 4/10`,
    });
  }
  return code;
}
