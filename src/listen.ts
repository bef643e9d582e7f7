import { lookup } from 'node:dns/promises'
import { createServer } from 'node:net'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import { MAX_ADMIN_CONNECTIONS } from './accept/descriptors.ts'
import { serveInOrder } from './accept/in-order.ts'
import { OpenSockets } from './accept/open-sockets.ts'
import type { SocketClocks } from './accept/socket-clocks.ts'

/** Behind those of Node, as for callers. */
const ADMIN_CLOCKS: SocketClocks = {
  handshakeMs: 8_000,
  headMs: 8_000,
  idleMs: 83_000,
  bodyMs: 10_000,
  checkEveryMs: 1_000
}
/** Bounds the connections of the admin listener as those of callers are: a stranger must not keep probes and operators out. */
export function boundAdmin(admin: FastifyInstance): OpenSockets {
  const sockets = new OpenSockets(ADMIN_CLOCKS, MAX_ADMIN_CONNECTIONS)
  serveInOrder(admin.server, (request, response) => admin.routing(request, response))
  sockets.watch(admin.server, { isTls: false })
  return sockets
}

/** Every gate can share its ports with the one that follows it; only one that is told to shares those of another. */
export async function listen(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
  takesOver: boolean
): Promise<string> {
  if (!takesOver) await tryPort(host, port)
  // Under that name Fastify would open another server beside this one, with nothing that bounds its connections.
  const address = host === 'localhost' ? (await lookup(host)).address : host
  return await app.listen({ host: address, port, reusePort: true } as FastifyListenOptions)
}

/** Fails as listening would, when anybody listens there. */
async function tryPort(host: string, port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  await new Promise(resolve => server.close(resolve))
}

/** What an operator is told of a listener that cannot be opened; null for any other error. */
export function listenFault(err: unknown): string | null {
  if (typeof err !== 'object' || err === null || !('syscall' in err) || err.syscall !== 'listen') return null
  const { code, address, port } = err as NodeJS.ErrnoException & { address?: string; port?: number }
  const where = `${address}:${port}`
  if (code === 'EADDRINUSE') return `tollgate: ${where} is in use by another program. Stop it, or change 'listen'.`
  if (code === 'EACCES') return `tollgate: ${where} may not be opened by this user. Choose a port above 1023.`
  return `tollgate: cannot listen on ${where}: ${code}`
}
