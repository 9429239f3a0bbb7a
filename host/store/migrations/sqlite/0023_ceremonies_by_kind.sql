-- What a challenge is for, so that strangers who ask for challenges to log in leave room for those who sign. What waits lasts
-- minutes: none is carried over.
DELETE FROM ceremonies;
ALTER TABLE ceremonies ADD COLUMN kind TEXT NOT NULL DEFAULT 'login';
CREATE INDEX ceremonies_by_kind ON ceremonies (kind);
