// A chain of one validator without agreement: blocks are built, executed, signed and committed one by one, as a test asks. Genesis, rules,
// keys and store are the real ones; the disk is memory.

import { signEpoch } from '../../../src/base/epoch.ts';
import type { Digest, NetworkId, NodeId, OwnerId } from '../../../src/base/ids.ts';
import type { Signer } from '../../../src/base/ports.ts';
import { commitCertificate } from '../../../src/consensus/certificate.ts';
import { signBytes } from '../../../src/consensus/sign-bytes.ts';
import { NO_ROUND } from '../../../src/consensus/types.ts';
import { Chain } from '../../../src/node/chain/chain.ts';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import { ChainQueries, type QueryPorts } from '../../../src/node/chain/queries.ts';
import { Intake } from '../../../src/node/chain/intake.ts';
import type { ChainStore } from '../../../src/node/chain/types.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import type { Block } from '../../../src/shards/block.ts';
import {
  type ChainPart,
  encodeFounding,
  firstHead,
  foundState,
  signFounding,
} from '../../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../../../src/shards/parameters.ts';
import { type Action, encodeTransaction, signTransaction } from '../../../src/shards/transaction.ts';
import { sampleEpoch, sampleGenesis, sampleMember, signerFrom } from '../../helpers/records.ts';

export const ownerOf = (name: string): OwnerId => signerFrom(name).publicKey as OwnerId;

export interface SoloOptions {
  readonly parameters?: Partial<Parameters>;
  readonly shardBits?: number;
  readonly balances?: ChainPart['balances'];
  readonly ports?: Partial<QueryPorts>;
}

export class SoloChain {
  readonly network: NetworkId;
  readonly founding: Uint8Array;
  readonly validator: Signer;
  readonly keyValue: MemoryKeyValue;
  readonly store: ChainStore;
  readonly chain: Chain;
  readonly intake: Intake;
  readonly queries: ChainQueries;

  private constructor(
    about: Pick<SoloChain, 'network' | 'founding' | 'validator' | 'keyValue' | 'store' | 'chain' | 'intake'>,
    ports: Partial<QueryPorts>,
  ) {
    this.network = about.network;
    this.founding = about.founding;
    this.validator = about.validator;
    this.keyValue = about.keyValue;
    this.store = about.store;
    this.chain = about.chain;
    this.intake = about.intake;
    this.queries = this.queriesWith(ports);
  }

  static async found(options: SoloOptions = {}): Promise<SoloChain> {
    const validator = signerFrom('the validator');
    const member = sampleMember(0, { node: validator.publicKey as NodeId });
    const params = options.shardBits === undefined ? {} : { shardBits: options.shardBits };
    const genesisSigner = signerFrom('genesis of sample');
    const signed = signEpoch(sampleGenesis(), sampleEpoch([member], params), genesisSigner);
    const document = signFounding(
      signed,
      {
        parameters: {
          ...DEFAULT_PARAMETERS,
          epochBlocks: 4,
          evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: 8 },
          ...options.parameters,
        },
        operators: [[member.operator, ownerOf('operator')]],
        balances: options.balances ?? [[ownerOf('alice'), [[0, 1_000n]]]],
        chains: [],
      },
      genesisSigner,
    );
    const keyValue = new MemoryKeyValue();
    const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
    const network = signed.record.network;
    await store.found(foundState(document, nativeSha256), firstHead(document, nativeSha256), network);
    const rules = { networkId: network, rules: LEDGER_RULES, sha256: nativeSha256, verify: nativeVerify };
    const chain = await Chain.open({ ...rules, store, clock: { now: () => 1_750_000_000_000 } });
    const intake = new Intake(chain, rules, () => undefined);
    const founding = encodeFounding(document);
    return new SoloChain(
      { network, founding, validator, keyValue, store, chain, intake },
      options.ports ?? {},
    );
  }

  queriesWith(ports: Partial<QueryPorts> = {}): ChainQueries {
    return new ChainQueries({
      chain: this.chain,
      store: this.store,
      clock: systemClock,
      sha256: nativeSha256,
      kinds: LEDGER_RULES,
      founding: this.founding,
      submit: (bytes) => this.intake.submit(bytes),
      ...ports,
    });
  }

  /** One block of what waits, or of `candidates`, decided and committed. */
  async step(candidates: ReturnType<Intake['candidates']> = this.intake.candidates()): Promise<Block> {
    const { height } = this.chain.next;
    const block = await this.chain.build(height, {
      proposer: this.validator.publicKey as NodeId,
      candidates,
      evidence: [],
      reveal: () => undefined,
    });
    if (block === undefined) throw new Error('the chain moved on by itself');
    const blockId = this.chain.idOf(block.bytes);
    if ((await this.chain.judge(height, blockId, block.bytes)) !== true) throw new Error('an invalid block');
    const vote = {
      kind: 'precommit',
      height,
      round: 0,
      blockId,
      validRound: NO_ROUND,
      validator: 0,
    } as const;
    const signature = this.validator.sign(signBytes(this.network, vote));
    await this.chain.commit(commitCertificate([{ ...vote, signature }]), block.bytes);
    return block;
  }

  async steps(count: number): Promise<void> {
    for (let done = 0; done < count; done++) await this.step();
  }

  /** Signed by the named key. */
  signed(name: string, nonce: number, action: Action): { readonly id: Digest; readonly bytes: Uint8Array } {
    const signer = signerFrom(name);
    const { operations } = LEDGER_RULES;
    const sender = signer.publicKey as OwnerId;
    const transaction = { network: this.network, sender, nonce, fee: 0n, expiresAtHeight: 10_000, action };
    const signed = signTransaction(transaction, operations, signer, nativeSha256);
    return { id: signed.id, bytes: encodeTransaction(signed, operations) };
  }

  pay(name: string, nonce: number, to: string, amount: bigint): ReturnType<SoloChain['signed']> {
    return this.signed(name, nonce, {
      kind: 'transfer',
      parameters: { to: ownerOf(to), amounts: [[0, amount]] },
    });
  }

  close(): void {
    this.queries.close();
  }
}
