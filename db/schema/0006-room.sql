-- A page of jobs has room for a new version of every one of them.  Devices that were offered their
-- jobs together report together, and an update that finds no room on its page writes all four
-- indexes of the table.

ALTER TABLE job SET (fillfactor = 45);
