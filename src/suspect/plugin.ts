import fp from 'fastify-plugin'
import type { Suspicion } from './suspicion.ts'

/** Refuses addresses that a rule has throttled, before their token is looked at. */
export const suspectAddress = fp<{ suspicion: Pick<Suspicion, 'checkAddress'> }>(
  async (app, { suspicion }) => {
    app.addHook('onRequest', ({ exchange }, _reply, done) => {
      suspicion.checkAddress(exchange)
      done()
    })
  },
  { name: 'tollgate-suspect-address', dependencies: ['tollgate-identify'] }
)

/** Refuses subjects and tokens that a rule has throttled, before anything of theirs is read. */
export const suspectCaller = fp<{ suspicion: Pick<Suspicion, 'checkCaller'> }>(
  async (app, { suspicion }) => {
    app.addHook('onRequest', ({ exchange }, _reply, done) => {
      suspicion.checkCaller(exchange)
      done()
    })
  },
  { name: 'tollgate-suspect-caller', dependencies: ['tollgate-authenticate'] }
)
