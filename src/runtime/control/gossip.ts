// The Gossip port over gossipsub: a message from one node reaches all others in a few hops, each node checking it
// before passing it on.
//
// Invariants: only the topics named at the start exist; every message is signed by its author and gets a verdict, for what
// has none is never passed on; a message is handed to its handler once; a handler that fails or takes too long
// means `ignore`, for it shows nothing about the message.

import { createHash } from 'node:crypto';
import {
  type GossipSub,
  gossipsub,
  type GossipSubComponents,
  type GossipsubOpts,
  type Message,
  StrictSign,
  TopicValidatorResult,
} from '@chainsafe/libp2p-gossipsub';
import { toUtf8, uint32 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import { GOSSIP_HANDLER_MS, GOSSIP_MESSAGE_LENGTH_MAX } from '../../base/limits.ts';
import type { Clock, Gossip, GossipVerdict } from '../../base/ports.ts';
import { nodeIdFromPeerIdText } from '../peer-id.ts';
import { controlFailure } from './failure.ts';
import { networkPrefix, topicName } from './protocols.ts';

/** Topics of every network: announced epoch records, nodes that come and go; of its chain, transactions and decisions. */
const TOPICS = ['epoch', 'nodes', 'transaction', 'decision'] as const;

type TopicScores = NonNullable<NonNullable<GossipsubOpts['scoreParams']>['topics']>;

/**
 * What a peer's conduct on a topic is worth: rejected messages cost 10 times their number squared, so that the third within a
 * minute closes the ear (gossipsub's graylist is at -80), and are forgotten by half in 23 seconds. Nothing is worth anything in
 * return, so that no good conduct pays for bad; silence costs nothing, since these topics are silent most of the time.
 */
const TOPIC_SCORE = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  firstMessageDeliveriesWeight: 0,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -10,
  invalidMessageDeliveriesDecay: 0.97,
};

const RESULTS: Readonly<Record<GossipVerdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
};

/** Gossipsub as a service of a libp2p host. */
export function gossipService(network: NetworkId): (components: GossipSubComponents) => GossipSub {
  const create = gossipsub({
    allowedTopics: TOPICS.map((topic) => topicName(network, topic)),
    globalSignaturePolicy: StrictSign,
    // The verdict comes from the topic's validator, which is awaited before a message is passed on.
    asyncValidation: false,
    emitSelf: false,
    // A node may be alone, or the first of its network.
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    fallbackToFloodsub: false,
    doPX: false,
    msgIdFn: messageId,
    debugName: `${networkPrefix(network)}:gossip`,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    // One frame may carry several messages and their control data.
    maxInboundDataLength: 4 * GOSSIP_MESSAGE_LENGTH_MAX,
    maxOutboundBufferSize: 16 * GOSSIP_MESSAGE_LENGTH_MAX,
    maxTopicBytesPerPeer: 16 * 1024,
    decodeRpcLimits: {
      maxSubscriptions: 16,
      maxMessages: 64,
      maxIhaveMessageIDs: 5000,
      maxIwantMessageIDs: 5000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 16,
    },
    scoreParams: {
      // Nodes of one machine or behind one router share an address and are not Sybils for that.
      IPColocationFactorWeight: 0,
      // What is not named here, gossipsub fills in.
      topics: Object.fromEntries(
        TOPICS.map((topic) => [topicName(network, topic), TOPIC_SCORE]),
      ) as unknown as TopicScores,
    },
  });
  return (components) => create(components) as GossipSub;
}

/**
 * SHA-256 over topic, author, sequence number and data, each framed by its length. With the author in it, nobody can make a message
 * "already seen" by sending its content first under another name.
 */
function messageId(message: Message): Uint8Array {
  const author = message.type === 'signed' ? message.from.toMultihash().bytes : new Uint8Array(0);
  const sequence = message.type === 'signed' ? message.sequenceNumber : 0n;
  const hash = createHash('sha256');
  for (const part of [toUtf8(message.topic), author, toUtf8(String(sequence)), message.data]) {
    hash.update(uint32(part.length)).update(part);
  }
  return new Uint8Array(hash.digest());
}

export type ControlGossip = Required<Gossip>;

export function createGossip(pubsub: GossipSub, network: NetworkId, clock: Clock): ControlGossip {
  function checked(topic: string): string {
    if ((TOPICS as readonly string[]).includes(topic)) return topicName(network, topic);
    throw new StoreError('INVALID_ARGUMENT', `there is no gossip topic ${topic}`);
  }

  /** A verdict for every message, whatever happens in the handler. */
  async function judge(
    message: Message,
    handle: (from: NodeId, message: Uint8Array) => Promise<GossipVerdict>,
  ): Promise<TopicValidatorResult> {
    if (message.type !== 'signed' || message.data.length > GOSSIP_MESSAGE_LENGTH_MAX) return RESULTS.reject;
    const late = Promise.withResolvers<GossipVerdict>();
    const cancel = clock.timer(GOSSIP_HANDLER_MS, () => late.resolve('ignore'));
    try {
      const from = nodeIdFromPeerIdText(message.from.toString());
      return RESULTS[await Promise.race([handle(from, new Uint8Array(message.data)), late.promise])];
    } catch {
      return RESULTS.ignore;
    } finally {
      cancel();
    }
  }

  const taken = new Set<string>();
  // Nothing is passed on that nobody here has looked at.
  for (const topic of TOPICS) pubsub.topicValidators.set(checked(topic), () => RESULTS.ignore);
  return {
    async publish(topic, message) {
      const name = checked(topic);
      if (message.length > GOSSIP_MESSAGE_LENGTH_MAX) {
        throw new StoreError('INVALID_ARGUMENT', `gossip message of ${message.length} bytes is too long`);
      }
      try {
        await pubsub.publish(name, message);
      } catch (error) {
        throw controlFailure(error, 'UNREACHABLE', `gossip on ${topic}`);
      }
    },
    subscribe(topic, handle) {
      const name = checked(topic);
      if (taken.has(topic)) {
        throw new StoreError('INVALID_ARGUMENT', `gossip topic ${topic} has its handler already`);
      }
      taken.add(topic);
      pubsub.topicValidators.set(name, (_peer, message) => judge(message, handle));
      pubsub.subscribe(name);
    },
    setListening(topic, isListening) {
      const name = checked(topic);
      if (!taken.has(topic)) throw new StoreError('INVALID_ARGUMENT', `gossip topic ${topic} has no handler`);
      if (isListening) pubsub.subscribe(name);
      else pubsub.unsubscribe(name);
    },
    listeners: (topic) => pubsub.getSubscribers(checked(topic)).length,
  };
}
