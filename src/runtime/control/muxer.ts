// Keeps a node alive when a connection closes while a stream is being opened over it.
//
// Yamux tells the peer of a new stream in a microtask of its own. When the connection below was closed for writing a moment before,
// that throws where nobody can catch it, and the process ends: any peer that hangs up at the right time could end it. A frame
// for a connection that takes none any more is dropped here instead; its streams hear of the end when the connection tells it.

import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';

type Send = (data: unknown) => boolean;

/** The muxer's factory, whose muxers drop what they can no longer send. */
export function lenientMuxer(create: () => StreamMuxerFactory): () => StreamMuxerFactory {
  return () => {
    const factory = create();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => lenient(createStreamMuxer(connection));
    return factory;
  };
}

function lenient(muxer: StreamMuxer): StreamMuxer {
  const sending = muxer as StreamMuxer & { send: Send };
  const send = sending.send.bind(muxer);
  sending.send = (data) => {
    try {
      return send(data);
    } catch (error) {
      if (error instanceof Error && error.name === 'StreamStateError') return true;
      throw error;
    }
  };
  return muxer;
}
