// Gorse's own client, unchanged, against Rapport: only endpoint and key name us. Calls its whole surface and prints one
// JSON object: what each call gave, or {"code": ...} of the error it threw. Usage: node gorse_client.mjs ENDPOINT KEY
import gorsejs from 'gorsejs'

const [endpoint, secret] = process.argv.slice(2)
const client = new gorsejs.Gorse({ endpoint, secret })
const seen = {}
const step = async (name, call) => {
  try {
    seen[name] = await call()
  } catch (error) {
    seen[name] = { code: error.code, message: String(error.message?.detail ?? error.message) }
  }
}
const time = '2022-08-07T00:26:46Z'
const feedback = (type, user, item, when = time) => ({ FeedbackType: type, UserId: user, ItemId: item, Timestamp: when })

// Users.
await step('insertUser', () => client.insertUser({ UserId: '100', Labels: ['a', 'b', 'c'], Comment: 'comment' }))
await step('getUser', () => client.getUser('100'))
await step('updateUser', () => client.updateUser('100', { UserId: '100', Comment: 'other' }))
await step('getUserUpdated', () => client.getUser('100'))
await step('deleteUser', () => client.deleteUser('100'))
await step('getUserDeleted', () => client.getUser('100'))
await step('insertUsers', () => client.insertUsers([{ UserId: 'bob' }, { UserId: 'eve' }, { UserId: 'kim', Labels: ['x'] }]))
await step('getUsers', () => client.getUsers({ n: 2 }))
await step('getUsersNext', () => client.getUsers({ n: 2, Cursor: seen.getUsers.Cursor }))

// Items.
const item = { ItemId: '100', IsHidden: true, Labels: ['a', 'b', 'c'], Categories: ['d', 'e'], Timestamp: time, Comment: 'comment' }
await step('upsertItem', () => client.upsertItem(item))
await step('getItem', () => client.getItem('100'))
await step('insertItemCategory', () => client.insertItemCategory('100', 'f'))
await step('deleteItemCategory', () => client.deleteItemCategory('100', 'd'))
await step('updateItem', () => client.updateItem('100', { IsHidden: false }))
await step('getItemUpdated', () => client.getItem('100'))
await step('deleteItem', () => client.deleteItem('100'))
await step('getItemDeleted', () => client.getItem('100'))
const items = ['vue', 'react', 'svelte', 'd3', 'plotly', 'moment'].map((id, i) => ({
  ItemId: id, IsHidden: false, Categories: [i < 3 ? 'ui' : 'lib'], Timestamp: `2022-01-0${i + 1}T00:00:00Z` }))
await step('upsertItems', () => client.upsertItems(items))
await step('getItems', () => client.getItems({ n: 4 }))
await step('getItemsNext', () => client.getItems({ n: 4, Cursor: seen.getItems.Cursor }))

// Feedback. A date alone is a time; the item 'jquery' is nowhere put.
await step('insertFeedbacks', () => client.insertFeedbacks([
  feedback('star', 'bob', 'vue', '2022-02-24'), feedback('star', 'bob', 'd3'), feedback('read', 'bob', 'moment'),
  feedback('star', 'eve', 'vue'), feedback('star', 'eve', 'react'), feedback('star', 'kim', 'jquery')]))
await step('insertAgain', () => client.insertFeedbacks([feedback('star', 'bob', 'vue', '2023-01-01T00:00:00Z')]))
await step('afterInsertAgain', () => client.getFeedback({ type: 'star', userId: 'bob', itemId: 'vue' }))
await step('upsertFeedbacks', () => client.upsertFeedbacks([feedback('star', 'bob', 'vue', '2023-01-01T00:00:00Z')]))
await step('afterUpsert', () => client.getFeedback({ type: 'star', userId: 'bob', itemId: 'vue' }))
await step('getFeedbacks', () => client.getFeedbacks(undefined, { n: 4 }))
await step('getFeedbacksNext', () => client.getFeedbacks(undefined, { n: 4, Cursor: seen.getFeedbacks.Cursor }))
await step('getFeedbacksByType', () => client.getFeedbacks('read'))
await step('getUserFeedback', () => client.getUserFeedback('bob'))
await step('getUserFeedbackByType', () => client.getUserFeedbackByType('bob', 'star'))
await step('getItemFeedback', () => client.getItemFeedback('vue'))
await step('getItemFeedbackByType', () => client.getItemFeedbackByType('vue', 'star'))
await step('deleteFeedback', () => client.deleteFeedback({ type: 'star', userId: 'bob', itemId: 'd3' }))
await step('afterDelete', () => client.getFeedback({ type: 'star', userId: 'bob', itemId: 'd3' }))
await step('insertAfterDelete', () => client.insertFeedbacks([feedback('star', 'bob', 'd3', '2024-05-05T00:00:00Z')]))
await step('afterInsertAfterDelete', () => client.getFeedback({ type: 'star', userId: 'bob', itemId: 'd3' }))

// Recommendations.
await step('getPopular', () => client.getPopular({ cursorOptions: { n: 3 } }))
await step('getPopularOfCategory', () => client.getPopular({ category: 'ui' }))
await step('getLatest', () => client.getLatest({ cursorOptions: { n: 2 } }))
await step('getLatestNext', () => client.getLatest({ cursorOptions: { n: 2, offset: 2 } }))
await step('getRecommend', () => client.getRecommend({ userId: 'bob', cursorOptions: { n: 10 } }))
await step('getRecommendOffset', () => client.getRecommend({ userId: 'bob', cursorOptions: { n: 10, offset: 1 } }))
await step('getRecommendOfCategory', () => client.getRecommend({ userId: 'bob', category: 'ui', cursorOptions: { n: 10 } }))
await step('getRecommendWriteBack', () => client.getRecommend(
  { userId: 'eve', writeBackType: 'read', writeBackDelay: '10m', cursorOptions: { n: 2 } }))
await step('writtenBack', () => client.getUserFeedbackByType('eve', 'read'))
await step('getRecommendAfter', () => client.getRecommend({ userId: 'eve', cursorOptions: { n: 10 } }))
await step('getSessionRecommend', () => client.getSessionRecommend([feedback('star', 'nobody', 'vue')], { cursorOptions: { n: 3 } }))
await step('getItemNeighbors', () => client.getItemNeighbors({ itemId: 'vue', cursorOptions: { n: 3 } }))
await step('getUserNeighbors', () => client.getUserNeighbors({ userId: 'bob', cursorOptions: { n: 3 } }))

// What is wrong is told.
await step('badFeedback', () => client.insertFeedbacks([{ FeedbackType: 'star', UserId: 'bob' }]))
await step('wrongKey', () => new gorsejs.Gorse({ endpoint, secret: 'wrong' }).getUser('bob'))
process.stdout.write(JSON.stringify(seen) + '\n')
