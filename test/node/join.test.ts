import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { encodeEpoch, epochDigest, findMember, type Member, type SignedEpoch } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NodeId, OperatorId, Signature, Stake } from '../../src/base/ids.ts';
import { EPOCH_RECORD_LENGTH_MAX } from '../../src/base/limits.ts';
import type { Signer } from '../../src/base/ports.ts';
import type { Candidate } from '../../src/node/candidate.ts';
import { invitationSecret, type InvitationTerms } from '../../src/node/invitation.ts';
import {
  decodeJoinReply,
  decodeJoinRequest,
  encodeJoinRequest,
  JOIN_SERVICE,
  joinService,
  type JoinRequest,
  makeJoinRequest,
} from '../../src/node/join.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';
import {
  candidateNamed,
  genesisSigner,
  GENESIS_SEED,
  openTestNetwork,
  type TestNetwork,
  type TestNode,
  until,
} from '../helpers/storage-nodes.ts';

let net: TestNetwork;
let founder: TestNode;
beforeEach(async () => {
  net = await openTestNetwork(['alice', 'bob']);
  founder = net.nodes[0]!;
});
afterEach(() => net.close());

function invite(overrides: Partial<InvitationTerms> = {}): { terms: InvitationTerms; secret: Uint8Array } {
  const terms: InvitationTerms = {
    id: systemRandom.bytes(16),
    expiresAtMs: Date.now() + 60_000,
    operator: undefined,
    stakeMax: 1000n as Stake,
    ...overrides,
  };
  return { terms, secret: invitationSecret(GENESIS_SEED, net.epoch.record.network, terms) };
}

type Invite = ReturnType<typeof invite>;

function requestOf(name: string, invitation: Invite, candidate: Partial<Candidate> = {}): JoinRequest {
  return makeJoinRequest(
    net.epoch.record.network,
    candidateNamed(name, candidate),
    invitation,
    signerFrom(name),
  );
}

/** Sends a request from the node called `name`. */
async function send(name: string, request: JoinRequest): Promise<SignedEpoch> {
  const { network } = net.epoch.record;
  const caller = net.hub.join(signerFrom(name).publicKey as NodeId, { network });
  await caller.connect(founder.memory.address);
  const reply = await caller.call(
    founder.id,
    JOIN_SERVICE,
    { header: encodeJoinRequest(request) },
    { maxBodyLength: 2 ** 21 },
  );
  const { epoch, founding } = decodeJoinReply(reply.body, network, nativeVerify);
  expect(founding.signed).toEqual(net.epoch);
  return epoch;
}

const join = (name: string, invitation: Invite, candidate: Partial<Candidate> = {}): Promise<SignedEpoch> =>
  send(name, requestOf(name, invitation, candidate));

describe('a node with an invitation', () => {
  test('is named by the next epoch record, which every member gets', async () => {
    const domains: Candidate['domains'] = [
      ['rack', 'r9'],
      ['host', 'h1'],
    ];
    const epoch = await join('carol', invite(), { domains, capacityBytes: 2 ** 33, stake: 7n as Stake });
    const carol = findMember(epoch.record, signerFrom('carol').publicKey)!;
    expect(carol).toMatchObject({ operator: 'carol', stake: 7n, capacityBytes: 2 ** 33 });
    expect(carol.domains).toEqual([
      ['host', 'h1'],
      ['rack', 'r9'],
    ]);
    expect(epoch.record.epoch).toBe(1);
    expect(epoch.record.previous).toEqual(epochDigest(net.epoch.record));
    expect(epoch.record.members.length).toBe(3);
    await until(
      'the record at the other member',
      () => net.nodes[1]!.membership.current().record.epoch === 1,
    );
    expect(net.nodes[1]!.membership.current()).toEqual(epoch);
  });

  test('may ask again and stays what it is', async () => {
    const invitation = invite();
    const first = await join('carol', invitation);
    const second = await join('carol', invitation, { stake: 900n as Stake });
    expect(second).toEqual(first);
    // Also with a second invitation, which stays good for somebody else.
    const other = invite();
    expect(await join('carol', other)).toEqual(first);
    expect((await join('dave', other)).record.members.length).toBe(4);
  });

  test('gets a seed that it could not know', async () => {
    const epoch = await join('carol', invite());
    const seeds = epoch.record.members.map(({ admissionSeed }) => toHex(admissionSeed));
    expect(new Set(seeds).size).toBe(3);
  });

  test('and many others at once all get in, one record each', async () => {
    const names = ['carol', 'dave', 'erin', 'frank', 'grace'];
    const epochs = await Promise.all(names.map((name) => join(name, invite())));
    expect(new Set(epochs.map(({ record }) => Number(record.epoch)))).toEqual(new Set([1, 2, 3, 4, 5]));
    expect(founder.membership.current().record.members.length).toBe(7);
  });

  test('of a known operator gets in where the invitation says so', async () => {
    const operator = 'bob' as OperatorId;
    const epoch = await join('carol', invite({ operator }), { operator });
    expect(epoch.record.members.filter((member) => member.operator === 'bob').length).toBe(2);
  });

  test('is still in after the founder lost power right behind the reply', async () => {
    const invitation = invite();
    const epoch = await join('carol', invitation);
    const keyValue = founder.keyValue.powerLoss(() => false);
    await founder.stop();
    founder = await net.start('alice', { keyValue, isFounder: true });
    expect(founder.membership.current()).toEqual(epoch);
    await expectCodeAsync('UNAUTHORIZED', join('mallory', invitation));
    expect(await join('carol', invitation)).toEqual(epoch);
  });
});

describe('is refused:', () => {
  test('an invitation that another node used', async () => {
    const invitation = invite();
    await join('carol', invitation);
    const error = await expectCodeAsync('UNAUTHORIZED', join('mallory', invitation));
    expect(error.message).toContain('used by another node');
    expect(founder.membership.current().record.members.length).toBe(3);
  });

  test('of two nodes with one invitation at once, all but one', async () => {
    const invitation = invite();
    const outcomes = await Promise.allSettled(
      ['carol', 'dave', 'erin'].map((name) => join(name, invitation)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    expect(founder.membership.current().record.members.length).toBe(3);
  });

  test('an invitation that is over', async () => {
    const error = await expectCodeAsync(
      'UNAUTHORIZED',
      join('carol', invite({ expiresAtMs: Date.now() - 1 })),
    );
    expect(error.message).toContain('ended');
    expect(error.next).toContain('store invite');
  });

  test('an invitation that the founder never made, or whose terms were bettered', async () => {
    const made = invite();
    const guessed = { ...made, secret: digestFrom('guess').slice(0, 16) };
    const bettered = { ...made, terms: { ...made.terms, stakeMax: (10n ** 9n) as Stake } };
    const prolonged = { ...made, terms: { ...made.terms, expiresAtMs: Date.now() + 10 ** 9 } };
    for (const invitation of [guessed, bettered, prolonged]) {
      await expectCodeAsync('UNAUTHORIZED', join('carol', invitation));
    }
    await join('carol', made);
  });

  test('a request overheard and sent by another node', async () => {
    const overheard = requestOf('carol', invite());
    const error = await expectCodeAsync('UNAUTHORIZED', send('mallory', overheard));
    expect(error.message).toContain('asks to join as');
  });

  test('a request overheard and changed to another key', async () => {
    const overheard = requestOf('carol', invite());
    const mallory: Signer = signerFrom('mallory');
    const candidate = { ...overheard.candidate, node: mallory.publicKey as NodeId };
    await expectCodeAsync('UNAUTHORIZED', send('mallory', { ...overheard, candidate }));
  });

  test('a request that its node did not sign', async () => {
    const request = { ...requestOf('carol', invite()), signature: new Uint8Array(64) as Signature };
    await expectCodeAsync('INVALID_SIGNATURE', send('carol', request));
  });

  test.each([
    ['the name of an operator who is there', { operator: 'bob' as OperatorId }, {}],
    ['another operator than invited', { operator: 'carol' as OperatorId }, { operator: 'bob' as OperatorId }],
    ['more stake than granted', { stake: 1001n as Stake }, {}],
  ] as const)('%s', async (_what, candidate, terms) => {
    const invitation = invite(terms);
    await expectCodeAsync('UNAUTHORIZED', join('carol', invitation, candidate));
    expect(founder.membership.current()).toEqual(net.epoch);
  });

  test('a failure domain given twice, and the invitation stays good', async () => {
    const invitation = invite();
    const domains: Candidate['domains'] = [
      ['rack', 'a'],
      ['rack', 'b'],
    ];
    await expectCodeAsync('INVALID_ARGUMENT', join('carol', invitation, { domains }));
    await join('dave', invitation);
  });

  test('a node for which the epoch record has no bytes left, and the invitation stays good', async () => {
    const label = (index: number): string => `${index}`.padEnd(64, 'x');
    const domains = Array.from({ length: 8 }, (_, index) => [label(index), label(index)] as const);
    const [first] = net.epoch.record.members;
    const wide = (count: number): SignedEpoch => {
      const members = Array.from({ length: count }, (): Member => ({ ...first!, domains }));
      return { ...net.epoch, record: { ...net.epoch.record, members } };
    };
    const lengthOf = (count: number): number => encodeEpoch(wide(count)).length;
    const perMember = (lengthOf(200) - lengthOf(100)) / 100;
    const full = wide(Math.floor((EPOCH_RECORD_LENGTH_MAX - lengthOf(0)) / perMember));
    const service = joinService({
      clock: systemClock,
      random: systemRandom,
      keyValue: founder.keyValue,
      verify: nativeVerify,
      sha256: nativeSha256,
      membership: { ...founder.membership, current: () => full },
      genesisSigner,
      genesisSeed: () => GENESIS_SEED,
      founding: net.founding,
    });
    const invitation = invite();
    const request = requestOf('carol', invitation, { domains });
    const asking = service.handle(
      request.candidate.node,
      encodeJoinRequest(request),
      new Uint8Array(0),
      new AbortController().signal,
    );
    await expectCodeAsync('FULL', asking);
    await join('dave', invitation);
  });

  test('everything, at a member who is not the founder', async () => {
    const caller = net.hub.join(signerFrom('carol').publicKey as NodeId, {
      network: net.epoch.record.network,
    });
    await caller.connect(net.nodes[1]!.memory.address);
    const header = encodeJoinRequest(requestOf('carol', invite()));
    await expectCodeAsync('UNSUPPORTED', caller.call(net.nodes[1]!.id, JOIN_SERVICE, { header }));
  });
});

test('a request keeps its fields on the wire, and every cut or changed byte is refused, typed', () => {
  const request = requestOf('carol', invite({ operator: 'carol' as OperatorId }), {
    domains: [['rack', 'r1']],
  });
  const bytes = encodeJoinRequest(request);
  expect(decodeJoinRequest(bytes)).toEqual(request);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 0xff;
    for (const hostile of [changed, bytes.slice(0, at)]) {
      try {
        decodeJoinRequest(hostile);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError);
      }
    }
  }
});
