// The operator's account as the node itself uses it: actions are signed with its next nonces and handed in through the node's own pool. Others
// may use the account at the same time; then one of the two does not come through, and whoever wanted it tries again.

import { toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Digest, NetworkId, OwnerId } from '../base/ids.ts';
import { TRANSACTION_LIFETIME_BLOCKS } from '../base/limits.ts';
import type { Signer } from '../base/ports.ts';
import { accountOf } from '../shards/account.ts';
import { LEDGER_RULES } from '../shards/ledger.ts';
import { parametersOf } from '../shards/parameters.ts';
import { type Action, encodeTransaction, signTransaction } from '../shards/transaction.ts';
import { LoadedState, Overlay } from '../shards/view.ts';
import type { ChainService } from './chain/chain-service.ts';
import { settle } from './chain/settle.ts';
import { TaskQueue } from './chain/task-queue.ts';
import { feeRoom } from './operator-actions.ts';

export interface OperatorAccountPorts {
  /** Undefined while the node has no chain to ask. */
  readonly service: () => Pick<ChainService, 'chain' | 'submit' | 'isWaiting'> | undefined;
  readonly network: NetworkId;
  readonly operator: Signer;
  readonly sha256: Sha256;
}

export class OperatorAccount {
  readonly #ports: OperatorAccountPorts;
  readonly #tasks = new TaskQueue();
  /** What was handed in last, while nobody knows what came of it. */
  #last: { readonly id: string; readonly nonce: number } | undefined;

  constructor(ports: OperatorAccountPorts) {
    this.#ports = ports;
  }

  /** Id of the transaction, which has been handed in and not been included yet. Throws BUSY, and what the pool refuses it with. */
  submit(action: Action): Promise<Digest> {
    return this.#tasks.run(async () => {
      const { network, operator, sha256 } = this.#ports;
      const service = this.#ports.service();
      if (service === undefined)
        throw new StoreError('BUSY', 'the node fetches a state: nothing can be handed in');
      const sender = operator.publicKey as OwnerId;
      const { nonce, fee } = await settle(service.chain, new LoadedState(), (loaded) => {
        const state = new Overlay(loaded);
        return { nonce: accountOf(state, sender).nonce, fee: feeRoom(parametersOf(state)) };
      });
      const next = this.#isWaiting(service, nonce) ? this.#last!.nonce + 1 : nonce;
      const expiresAtHeight = service.chain.head.height + TRANSACTION_LIFETIME_BLOCKS;
      const transaction = { network, sender, nonce: next, fee, expiresAtHeight, action };
      const { operations } = LEDGER_RULES;
      const id = await service.submit(
        encodeTransaction(signTransaction(transaction, operations, operator, sha256), operations),
      );
      this.#last = { id: toHex(id), nonce: next };
      return id;
    });
  }

  #isWaiting(service: Pick<ChainService, 'isWaiting'>, nonce: number): boolean {
    return this.#last !== undefined && this.#last.nonce >= nonce && service.isWaiting(this.#last.id);
  }
}
