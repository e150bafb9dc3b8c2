// What stops a light client, whichever node is asked: only people can say how to go on.

import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { attackOf } from '../../consensus/evidence.ts';
import type { Evidence } from '../../consensus/types.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import type { Trusted } from './light-checks.ts';

/** Not a fault of the node that was asked: asking another one does not help. */
export class TrustLost extends StoreError {}

/** The validators changed so often since what is trusted that following them takes too many requests. What was reached is kept. */
export class TrustTooFar extends TrustLost {
  constructor(height: number) {
    super('UNREACHABLE', `height ${height} is too many changes of validators away from what is trusted`, {
      next: 'Run it again to go on from there, or start from a newer block that somebody you trust names, with --trust-height and --trust-hash.',
    });
  }
}

/** What was trusted is so old that whoever signed it may have nothing to lose any more. */
export class TrustExpired extends TrustLost {
  constructor({ height, id, timeMs }: Pick<Trusted, 'height' | 'id' | 'timeMs'>) {
    const since = new Date(timeMs).toISOString();
    super(
      'INVALID_CONFIG',
      `height ${height} (${toHex(id)}) of ${since} is trusted, and too old to judge others by`,
      {
        next: 'Ask somebody you trust for the height and id of a recent block, and start with --trust-height and --trust-hash.',
      },
    );
  }
}

/**
 * Two blocks of one height, each signed as only the network's validators can: more than a third of them are dishonest, and no answer of any
 * node can be believed before people have looked at it.
 */
export class LightClientAttack extends TrustLost {
  /** The block that was trusted first, and the other one. */
  readonly blocks: readonly [LightBlock, LightBlock];

  constructor(trusted: LightBlock, other: LightBlock) {
    const { height } = trusted.header;
    super(
      'INTEGRITY',
      `two blocks of height ${height} are signed by a quorum: ${toHex(trusted.id)} and ${toHex(other.id)}`,
      {
        next: 'Trust nothing of this network until its operators have said which chain is theirs; then start again with --trust-height and --trust-hash.',
      },
    );
    this.blocks = [trusted, other];
  }

  /** For a transaction that reports it; of use when both blocks have the same validators. */
  get evidence(): Evidence | undefined {
    const [trusted, other] = this.blocks;
    return attackOf(other.certificate, trusted.certificate);
  }
}
