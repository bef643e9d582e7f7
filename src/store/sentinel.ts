import { type Dialing, dial } from './dial.ts'
import { faultOfReply, StoreFault } from './faults.ts'
import type { StoreServer } from './options.ts'
import { type Reply, ReplyRefusal } from './talk.ts'

/**
 * Asks Sentinels, one after the other, where the master is; the first that knows is believed.
 * @throws (rejects) StoreFault when none does
 * @see https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */
export async function masterOf(sentinels: readonly StoreServer[], name: string, how: Dialing): Promise<StoreServer> {
  let fault: StoreFault | null = null
  for (const sentinel of sentinels) {
    try {
      const { socket, replies } = await dial(sentinel, how, [['SENTINEL', 'get-master-addr-by-name', name]])
      socket.destroy()
      return serverIn(replies[0], name)
    } catch (err) {
      // A Sentinel that answers says more than one that does not.
      if (err instanceof StoreFault && (fault === null || err instanceof NoMaster)) fault = err
    }
  }
  if (fault === null || fault instanceof NoMaster) throw fault ?? new StoreFault('no Sentinel is configured')
  throw new StoreFault(`no Sentinel answers: ${fault.message}`, fault.fix)
}

/** A Sentinel has answered, and names no master. */
class NoMaster extends StoreFault {}

function serverIn(reply: Reply | undefined, name: string): StoreServer {
  if (reply instanceof ReplyRefusal) {
    const { message, fix } = faultOfReply(reply.text) ?? {
      message: 'a Sentinel does not say where the master is',
      fix: ''
    }
    throw new NoMaster(message, fix)
  }
  const [host, port] = Array.isArray(reply) ? (reply as readonly Reply[]) : []
  if (typeof host === 'string' && Number(port) > 0) return { host, port: Number(port) }
  throw new NoMaster(`the Sentinels know no master named ${JSON.stringify(name)}`, 'store.sentinel.name')
}
