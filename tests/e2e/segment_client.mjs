// Segment's official server-side client, unchanged, against Rapport: only host and path name us. Prints one JSON line with
// what the client itself saw. Usage: node segment_client.mjs HOST KEY
import { Analytics } from '@segment/analytics-node'

const [host, writeKey] = process.argv.slice(2)
const seen = { requests: [], errors: [], drained: 0, messageIds: [] }

// flushAt 4: several batches on the way, the rest at closeAndFlush.
const analytics = new Analytics({ writeKey, host, path: '/v1/batch', flushAt: 4, flushInterval: 60000, maxRetries: 2 })
analytics.on('error', (error) => seen.errors.push(String(error.reason ?? error.code ?? error)))
analytics.on('http_request', (request) => seen.requests.push({ url: request.url, method: request.method }))

// Resolves when the client says that the call was delivered (or why not).
const delivered = []
const call = (method, message) => delivered.push(new Promise((resolve) => {
  analytics[method](message, (error, context) => {
    if (error) seen.errors.push(String(error))
    else seen.messageIds.push(context.event.messageId)
    resolve()
  })
}))

const when = (minutes) => new Date(Date.now() - 3600000 + minutes * 60000)
call('page', { anonymousId: 'visitor-7', category: 'Shop', name: 'Home', properties: { url: 'https://shop.example/' }, timestamp: when(0) })
call('track', { anonymousId: 'visitor-7', event: 'Product Viewed', properties: { product_id: 'teapot', price: 39.5 }, timestamp: when(1) })
call('track', { anonymousId: 'visitor-7', event: 'Product Viewed', properties: { product_id: 'cup' }, timestamp: when(2) })
call('track', { anonymousId: 'visitor-7', event: 'Product Added', properties: { product_id: 'teapot', quantity: 1 }, timestamp: when(3) })
call('identify', { userId: 'user-7', traits: { email: 'ada@example.com', name: 'Ada', plan: 'gold', age: 36 }, timestamp: when(4) })
call('track', { userId: 'user-7', event: 'Order Completed', timestamp: when(5),
  properties: { order_id: 'o-1', revenue: 51.5, products: [
    { product_id: 'teapot', quantity: 1, price: 39.5 }, { product_id: 'tray', quantity: 2, price: 6 }] } })
call('screen', { userId: 'user-7', name: 'Receipt', timestamp: when(6) })
call('group', { userId: 'user-7', groupId: 'club', traits: { name: 'Tea club' }, timestamp: when(7) })
call('track', { userId: 'user-7', event: 'Emoji 茶 🍵 Sipped', properties: { nested: { deep: [1, 'two', null, { three: 3 }] } }, timestamp: when(8) })

await analytics.flush()
await Promise.all(delivered)
process.stdout.write(JSON.stringify({ step: 'before-alias', ...seen }) + '\n')

// The test looks at the server between the two steps: it answers on our stdin.
await new Promise((resolve) => process.stdin.once('data', resolve))
call('alias', { previousId: 'visitor-7', userId: 'user-7' })
await analytics.closeAndFlush()
await Promise.all(delivered)
process.stdout.write(JSON.stringify({ step: 'after-alias', ...seen }) + '\n')
process.exit(0)
